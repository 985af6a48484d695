//! `ListObjects` in both versions.

use s3s::{
    S3Request, S3Result,
    dto::{
        CommonPrefix, ETag, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
        Object, ObjectStorageClass, Owner,
    },
    s3_error,
};

use super::{Scope, bucket, get::timestamp, refuse::Refuse as _};
use crate::infra::embedded::s3::{
    expiry::Expiry,
    listing::{After, Entry, Page, Query},
    percent,
};

/// Objects and prefixes of a page at most, as in S3.
const LARGEST_PAGE: i32 = 1000;

async fn page(scope: &Scope, query: Query) -> S3Result<Page> {
    let days = scope.principal.expire_days;
    let work = scope.root.run(move |root| {
        let index = root.index();
        index.list(&query, &Expiry::read(&index, days)?)
    });
    work.await.refuse()
}

fn limit(max_keys: Option<i32>) -> S3Result<i32> {
    match max_keys.unwrap_or(LARGEST_PAGE) {
        negative if negative < 0 => Err(s3_error!(InvalidArgument, "max-keys must not be negative")),
        keys => Ok(keys.min(LARGEST_PAGE)),
    }
}

/// How keys are written in the answer: as they are, or percent-encoded as the client asked.
#[derive(Clone, Copy)]
pub(super) struct Spelling(bool);

impl Spelling {
    pub(super) fn new(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    pub(super) fn spell(self, text: &str) -> String {
        if self.0 { percent::encode(text, b"-_.*/~") } else { text.to_owned() }
    }

    fn object(self, entry: Entry, owner: Option<Owner>) -> Object {
        Object {
            key: Some(self.spell(&entry.key)),
            size: i64::try_from(entry.size).ok(),
            e_tag: Some(ETag::Strong(entry.etag)),
            last_modified: Some(timestamp(entry.modified)),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            owner,
            ..Object::default()
        }
    }

    fn prefixes(self, prefixes: &[String]) -> Option<Vec<CommonPrefix>> {
        let list = prefixes.iter().map(|prefix| CommonPrefix { prefix: Some(self.spell(prefix)) });
        (!prefixes.is_empty()).then(|| list.collect())
    }
}

pub(super) async fn version_1(scope: Scope, request: S3Request<ListObjectsInput>) -> S3Result<ListObjectsOutput> {
    let input = request.input;
    let spelling = Spelling::new(input.encoding_type.as_ref())?;
    let (max_keys, prefix) = (limit(input.max_keys)?, input.prefix.unwrap_or_default());
    let marker = input.marker.unwrap_or_default();
    let after = match marker.as_str() {
        "" => After::Nothing,
        _ => After::from_marker(marker.clone(), &prefix, input.delimiter.as_deref()),
    };
    let limit = usize::try_from(max_keys).unwrap_or(0);
    let query = Query { prefix: prefix.clone(), delimiter: input.delimiter.clone(), after, limit };
    let page = page(&scope, query).await?;
    let next = page.next.as_ref().and_then(|after| match after {
        After::Nothing => None,
        After::Key(text) | After::Prefix(text) => Some(spelling.spell(text)),
    });
    let owner = bucket::owner(&scope);
    Ok(ListObjectsOutput {
        name: Some(scope.principal.bucket),
        prefix: Some(spelling.spell(&prefix)),
        marker: Some(spelling.spell(&marker)),
        max_keys: Some(max_keys),
        is_truncated: Some(page.next.is_some()),
        common_prefixes: spelling.prefixes(&page.prefixes),
        contents: Some(page.objects.into_iter().map(|entry| spelling.object(entry, Some(owner.clone()))).collect()),
        // S3 gives it with a delimiter only; without one it is the last key, so it does no harm.
        next_marker: next,
        delimiter: input.delimiter.map(|delimiter| spelling.spell(&delimiter)),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    })
}

pub(super) async fn version_2(scope: Scope, request: S3Request<ListObjectsV2Input>) -> S3Result<ListObjectsV2Output> {
    let input = request.input;
    let spelling = Spelling::new(input.encoding_type.as_ref())?;
    let (max_keys, prefix) = (limit(input.max_keys)?, input.prefix.unwrap_or_default());
    let after = match (&input.continuation_token, &input.start_after) {
        (Some(token), _) => After::from_token(token)
            .ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?,
        (None, Some(key)) if !key.is_empty() => After::Key(key.clone()),
        (None, _) => After::Nothing,
    };
    let limit = usize::try_from(max_keys).unwrap_or(0);
    let query = Query { prefix: prefix.clone(), delimiter: input.delimiter.clone(), after, limit };
    let page = page(&scope, query).await?;
    let owner = input.fetch_owner.unwrap_or(false).then(|| bucket::owner(&scope));
    Ok(ListObjectsV2Output {
        name: Some(scope.principal.bucket),
        prefix: Some(spelling.spell(&prefix)),
        max_keys: Some(max_keys),
        key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        next_continuation_token: page.next.as_ref().map(After::to_token),
        common_prefixes: spelling.prefixes(&page.prefixes),
        contents: Some(page.objects.into_iter().map(|entry| spelling.object(entry, owner.clone())).collect()),
        delimiter: input.delimiter.map(|delimiter| spelling.spell(&delimiter)),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|key| spelling.spell(&key)),
        ..ListObjectsV2Output::default()
    })
}
