//! The hash of a downloaded file.

use std::io::{self, Read as _};

use base64::Engine as _;
use camino::Utf8Path;
use sha2::{Sha256, Sha512};

use super::pins::Digest;

/// The hash of the file at `path` in the notation of `like`.
pub(super) fn of_file(path: &Utf8Path, like: Digest) -> io::Result<String> {
    Ok(match like {
        Digest::Sha256(_) => hex::encode(read::<Sha256>(path)?),
        Digest::Sha512(_) => base64::engine::general_purpose::STANDARD.encode(read::<Sha512>(path)?),
    })
}

fn read<D: sha2::Digest>(path: &Utf8Path) -> io::Result<Vec<u8>> {
    let mut file = fs_err::File::open(path)?;
    let mut hash = D::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hash.finalize().to_vec());
        }
        hash.update(&buffer[..read]);
    }
}

impl Digest {
    /// The pinned text.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Sha256(text) | Self::Sha512(text) => text,
        }
    }
}
