//! Uploads in parts: each part is a content file of its own until the upload is completed into one.

use std::{fs::File, io::ErrorKind};

use md5::{Digest as _, Md5};
use rusqlite::{OptionalExtension as _, Row, params};
use s3s::{
    checksum::ChecksumHasher,
    crypto::{Checksum as _, Crc32, Crc32c, Sha1, Sha256},
};
use serde::{Deserialize, Serialize};

use super::{
    attributes::{Algorithm, Attributes, Checksums},
    content::{FileId, NewFile},
    error::StorageError,
    expiry::{self, Expiry},
    index::{self, Condition, Index, Object},
    roots::Root,
    sink::Received,
};

/// The smallest part but the last, as in S3.
const SMALLEST_PART: u64 = 5 << 20;

/// The largest object, as in S3.
const LARGEST: u64 = 5 << 40;

/// What was said when the upload began.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Spec {
    pub(crate) attributes: Attributes,
    pub(crate) algorithm: Option<Algorithm>,
    /// The object gets a checksum of the whole and not one of its parts' checksums.
    pub(crate) full_object: bool,
}

/// An upload in progress.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) started: i64,
    pub(crate) spec: Spec,
}

/// A part that was received.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) number: i32,
    file: FileId,
    pub(crate) size: u64,
    pub(crate) etag: String,
    pub(crate) modified: i64,
    pub(crate) checksums: Checksums,
}

/// A part as the request to complete names it.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) number: i32,
    pub(crate) etag: Option<String>,
    pub(crate) checksums: Checksums,
}

impl Spec {
    /// The algorithm of the object's checksum.
    pub(crate) fn effective(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::Crc64nvme)
    }

    fn composite(&self) -> bool {
        !self.full_object && self.effective() != Algorithm::Crc64nvme
    }
}

impl Index {
    /// Notes a new upload.
    pub(crate) fn create_upload(&mut self, upload: &Upload) -> Result<(), StorageError> {
        self.connection.execute(
            "INSERT INTO upload VALUES (?1, ?2, ?3, ?4)",
            params![upload.id, upload.key.as_bytes(), upload.started, serde_json::to_string(&upload.spec)?],
        )?;
        Ok(())
    }

    /// The upload `id`, which must be one of `key`.
    pub(crate) fn upload(&self, id: &str, key: &str) -> Result<Upload, StorageError> {
        let mut statement =
            self.connection.prepare_cached("SELECT id, key, started, spec FROM upload WHERE id = ?1 AND key = ?2")?;
        let mut rows = statement.query(params![id, key.as_bytes()])?;
        rows.next()?.map(upload).transpose()?.ok_or(StorageError::NoSuchUpload)
    }

    /// All uploads in order of key and start.
    pub(crate) fn uploads(&self) -> Result<Vec<Upload>, StorageError> {
        let mut statement =
            self.connection.prepare_cached("SELECT id, key, started, spec FROM upload ORDER BY key, started, id")?;
        let mut rows = statement.query([])?;
        let mut uploads = Vec::new();
        while let Some(row) = rows.next()? {
            uploads.push(upload(row)?);
        }
        Ok(uploads)
    }

    /// Up to `limit` parts above number `after`.
    pub(crate) fn parts(&self, upload: &str, after: i32, limit: usize) -> Result<Vec<Part>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "SELECT number, file, size, etag, modified, checksums FROM part
             WHERE upload = ?1 AND number > ?2 ORDER BY number LIMIT ?3",
        )?;
        let mut rows = statement.query(params![upload, after, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let mut parts = Vec::new();
        while let Some(row) = rows.next()? {
            parts.push(part(row)?);
        }
        Ok(parts)
    }

    fn put_part(&mut self, upload: &Upload, part: &Part) -> Result<Option<FileId>, StorageError> {
        // Between the start of the part and now the upload may have ended.
        self.upload(&upload.id, &upload.key)?;
        let transaction = self.connection.transaction()?;
        let replaced: Option<String> = transaction
            .query_row(
                "SELECT file FROM part WHERE upload = ?1 AND number = ?2",
                params![upload.id, part.number],
                |row| row.get(0),
            )
            .optional()?;
        transaction.execute(
            "INSERT OR REPLACE INTO part VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                upload.id,
                part.number,
                part.file.as_str(),
                i64::try_from(part.size).unwrap_or(i64::MAX),
                part.etag,
                part.modified,
                serde_json::to_string(&part.checksums)?
            ],
        )?;
        transaction.commit()?;
        Ok(replaced.map(FileId::from_index))
    }

    /// Forgets an upload; returns the contents of its parts.
    pub(crate) fn drop_upload(&mut self, id: &str) -> Result<Vec<FileId>, StorageError> {
        let transaction = self.connection.transaction()?;
        let files = drop_upload(&transaction, id)?;
        transaction.commit()?;
        Ok(files)
    }
}

fn drop_upload(connection: &rusqlite::Connection, id: &str) -> Result<Vec<FileId>, StorageError> {
    let mut statement = connection.prepare_cached("DELETE FROM part WHERE upload = ?1 RETURNING file")?;
    let files = statement.query_map([id], |row| row.get(0).map(FileId::from_index))?;
    let files = files.collect::<Result<_, _>>()?;
    connection.execute("DELETE FROM upload WHERE id = ?1", [id])?;
    Ok(files)
}

fn upload(row: &Row<'_>) -> Result<Upload, StorageError> {
    let spec: String = row.get(3)?;
    let key = index::key(row, 1)?;
    Ok(Upload { id: row.get(0)?, key, started: row.get(2)?, spec: serde_json::from_str(&spec)? })
}

fn part(row: &Row<'_>) -> Result<Part, StorageError> {
    let checksums: String = row.get(5)?;
    Ok(Part {
        number: row.get(0)?,
        file: FileId::from_index(row.get(1)?),
        size: index::size(row, 2)?,
        etag: row.get(3)?,
        modified: row.get(4)?,
        checksums: serde_json::from_str(&checksums)?,
    })
}

/// Commits a received part.
pub(crate) fn store_part(root: &Root, upload: &Upload, number: i32, received: Received) -> Result<Part, StorageError> {
    let (size, etag, checksums) = (received.size, hex::encode(received.md5), received.checksums.clone());
    let new = received.sync()?;
    let part = Part { number, file: new.id().clone(), size, etag, modified: expiry::now(), checksums };
    let replaced = root.index().put_part(upload, &part)?;
    new.keep();
    if let Some(replaced) = replaced {
        root.content.remove(&replaced);
    }
    Ok(part)
}

/// Makes the object of the parts that `named` names; the others are dropped with the upload.
pub(crate) fn complete(
    root: &Root,
    upload: &Upload,
    named: &[Named],
    given: &Checksums,
    condition: &Condition,
    expiry: &Expiry,
) -> Result<Object, StorageError> {
    let received = root.index().parts(&upload.id, 0, usize::MAX)?;
    let parts = choose(named, &received)?;
    let checksums = whole_checksums(&upload.spec, &parts);
    for algorithm in given.algorithms() {
        if checksums.get(algorithm).is_some_and(|computed| given.get(algorithm) != Some(computed)) {
            return Err(StorageError::BadDigest);
        }
    }
    let new = assemble(root, &parts)?;
    let mut attributes = upload.spec.attributes.clone();
    attributes.checksums = checksums;
    attributes.parts = parts.iter().map(|part| part.size).collect();
    let object = Object {
        key: upload.key.clone(),
        file: new.id().clone(),
        size: attributes.parts.iter().sum(),
        etag: whole_etag(&parts),
        modified: expiry::now(),
        attributes,
    };
    let mut obsolete = {
        let mut index = root.index();
        index.upload(&upload.id, &upload.key)?;
        let transaction = index.connection.transaction()?;
        let replaced = index::write(&transaction, &object, condition, expiry)?;
        let mut files = drop_upload(&transaction, &upload.id)?;
        transaction.commit()?;
        files.extend(replaced);
        files
    };
    new.keep();
    for file in obsolete.drain(..) {
        root.content.remove(&file);
    }
    Ok(object)
}

/// The received parts that are named, checked as S3 does.
fn choose<'a>(named: &[Named], received: &'a [Part]) -> Result<Vec<&'a Part>, StorageError> {
    if !named.is_sorted_by(|one, next| one.number < next.number) {
        return Err(StorageError::InvalidPartOrder);
    }
    let mut parts = Vec::with_capacity(named.len());
    for wanted in named {
        let invalid = StorageError::InvalidPart(wanted.number);
        let Ok(at) = received.binary_search_by_key(&wanted.number, |part| part.number) else { return Err(invalid) };
        let part = &received[at];
        let differs = |algorithm| {
            let given = wanted.checksums.get(algorithm);
            given.is_some() && part.checksums.get(algorithm).is_some() && given != part.checksums.get(algorithm)
        };
        if wanted.etag.as_ref() != Some(&part.etag) || wanted.checksums.algorithms().any(differs) {
            return Err(invalid);
        }
        parts.push(part);
    }
    let last = parts.len().saturating_sub(1);
    if let Some(small) = parts[..last].iter().find(|part| part.size < SMALLEST_PART) {
        return Err(StorageError::PartTooSmall(small.number));
    }
    if parts.iter().map(|part| part.size).sum::<u64>() > LARGEST {
        return Err(StorageError::TooLarge);
    }
    Ok(parts)
}

/// One content out of those of the parts. The kernel copies (or shares blocks where the disk can).
fn assemble(root: &Root, parts: &[&Part]) -> Result<NewFile, StorageError> {
    let missing = |error, number| match error {
        // Another request has just replaced this part.
        StorageError::Io { ref source, .. } if source.kind() == ErrorKind::NotFound => {
            StorageError::InvalidPart(number)
        }
        error => error,
    };
    if let [only] = parts {
        let new = root.content.link(&only.file).map_err(|error| missing(error, only.number))?;
        new.sync_directory()?;
        return Ok(new);
    }
    let (new, mut whole): (NewFile, File) = root.content.create()?;
    for part in parts {
        let mut file = root.content.open(&part.file).map_err(|error| missing(error, part.number))?;
        std::io::copy(&mut file, &mut whole).map_err(StorageError::io("write", "a content file"))?;
    }
    whole.sync_all().map_err(StorageError::io("sync", "a content file"))?;
    new.sync_directory()?;
    Ok(new)
}

/// The MD5 of the parts' MD5s and their number, as S3 does.
fn whole_etag(parts: &[&Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(hex::decode(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

/// The checksum of the object, if every part has one.
fn whole_checksums(spec: &Spec, parts: &[&Part]) -> Checksums {
    use base64::{Engine as _, prelude::BASE64_STANDARD};

    let algorithm = spec.effective();
    let mut checksums = Checksums { composite: spec.composite(), ..Checksums::default() };
    let digests: Option<Vec<Vec<u8>>> =
        parts.iter().map(|part| BASE64_STANDARD.decode(part.checksums.get(algorithm)?).ok()).collect();
    let Some(digests) = digests else { return Checksums::default() };
    if !checksums.composite {
        let lengths = parts.iter().map(|part| part.size);
        checksums
            .set(algorithm, combine(algorithm, digests.iter().zip(lengths)).map(|sum| BASE64_STANDARD.encode(sum)));
        return checksums;
    }
    let mut hasher = ChecksumHasher::default();
    match algorithm {
        Algorithm::Crc32 => hasher.crc32 = Some(Crc32::new()),
        Algorithm::Crc32c => hasher.crc32c = Some(Crc32c::new()),
        Algorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
        Algorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
        Algorithm::Crc64nvme => {}
    }
    for digest in &digests {
        hasher.update(digest);
    }
    let sums = Checksums::from(hasher.finalize());
    checksums.set(algorithm, sums.get(algorithm).map(|sum| format!("{sum}-{}", parts.len())));
    checksums
}

/// The CRC of a whole out of its parts' CRCs and lengths.
fn combine<'a>(algorithm: Algorithm, parts: impl Iterator<Item = (&'a Vec<u8>, u64)>) -> Option<Vec<u8>> {
    use crc_fast::CrcAlgorithm;

    let (crc, width) = match algorithm {
        Algorithm::Crc32 => (CrcAlgorithm::Crc32IsoHdlc, 4),
        Algorithm::Crc32c => (CrcAlgorithm::Crc32Iscsi, 4),
        Algorithm::Crc64nvme => (CrcAlgorithm::Crc64Nvme, 8),
        Algorithm::Sha1 | Algorithm::Sha256 => return None,
    };
    let number = |digest: &[u8]| digest.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let whole = parts.map(|(digest, length)| (number(digest), length)).reduce(|(left, before), (right, length)| {
        (crc_fast::checksum_combine(crc, left, right, length), before + length)
    });
    whole.map(|(sum, _)| sum.to_be_bytes()[8 - width..].to_vec())
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    use rstest::rstest;
    use s3s::crypto::Crc64Nvme;

    use super::*;

    fn part(number: i32, size: u64) -> Part {
        let checksums = Checksums { crc32: Some(format!("{number}")), ..Checksums::default() };
        let file = FileId::from_index(String::new());
        Part { number, file, size, etag: format!("e{number}"), modified: 0, checksums }
    }

    fn named(number: i32) -> Named {
        Named { number, etag: Some(format!("e{number}")), checksums: Checksums::default() }
    }

    #[test]
    fn parts_are_checked_before_anything_is_done() {
        let received = [part(1, SMALLEST_PART), part(2, SMALLEST_PART - 1), part(9, 1)];
        let numbers = |named: &[Named]| choose(named, &received).map(|parts| parts.len());
        assert!(matches!(numbers(&[named(1), named(9)]), Ok(2)));
        assert!(matches!(numbers(&[named(9), named(1)]), Err(StorageError::InvalidPartOrder)));
        assert!(matches!(numbers(&[named(1), named(1)]), Err(StorageError::InvalidPartOrder)));
        assert!(matches!(numbers(&[named(3)]), Err(StorageError::InvalidPart(3))));
        assert!(matches!(numbers(&[Named { etag: None, ..named(1) }]), Err(StorageError::InvalidPart(1))));
        assert!(matches!(numbers(&[named(1), named(2), named(9)]), Err(StorageError::PartTooSmall(2))));
        let checksums = Checksums { crc32: Some("other".into()), ..Checksums::default() };
        assert!(matches!(numbers(&[Named { checksums, ..named(1) }]), Err(StorageError::InvalidPart(1))));
    }

    #[rstest]
    #[case(Algorithm::Crc32)]
    #[case(Algorithm::Crc32c)]
    #[case(Algorithm::Crc64nvme)]
    fn combined_crcs_are_those_of_the_whole(#[case] algorithm: Algorithm) {
        let sum = |bytes: &[u8]| {
            let mut hasher = ChecksumHasher {
                crc32: Some(Crc32::new()),
                crc32c: Some(Crc32c::new()),
                crc64nvme: Some(Crc64Nvme::new()),
                ..ChecksumHasher::default()
            };
            hasher.update(bytes);
            let sums = Checksums::from(hasher.finalize());
            BASE64_STANDARD.decode(sums.get(algorithm).expect("a digest")).expect("base64")
        };
        let (one, two, three) = (b"first ".as_slice(), b"second and ".as_slice(), b"".as_slice());
        let sums: Vec<_> = [one, two, three].iter().map(|bytes| (sum(bytes), bytes.len() as u64)).collect();
        let combined = combine(algorithm, sums.iter().map(|(sum, length)| (sum, *length)));
        assert_eq!(combined, Some(sum(&[one, two, three].concat())));
    }
}
