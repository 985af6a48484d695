//! What lies in an open folder.

use std::ffi::CString;

use rustix::{
    fd::OwnedFd,
    fs::{AtFlags, Dir, FileType, OFlags, statat},
    io::Errno,
};

/// How a folder is opened to be read: itself, never through a symlink.
pub(super) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Names and kinds of what lies in `folder`. What goes away meanwhile may be left out.
///
/// # Errors
/// When it cannot be read to its end.
pub(super) fn entries(folder: &OwnedFd) -> Result<Vec<(CString, FileType)>, Errno> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if [c".", c".."].contains(&name) {
            continue;
        }
        let kind = match entry.file_type() {
            // Not every file system says it.
            FileType::Unknown => match statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                Err(Errno::NOENT) => continue,
                stat => FileType::from_raw_mode(stat?.st_mode),
            },
            kind => kind,
        };
        found.push((name.to_owned(), kind));
    }
    Ok(found)
}
