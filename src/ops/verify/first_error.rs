//! The first error of a task, with a file that exists.
//!
//! Tools print paths as they see them: relative to the package that a workspace runner ran them in, which is often
//! neither the task's folder nor named in the output. A printed path is looked for below the package that its own
//! line names, the packages that the output or the command names, the task's folder and the workdir; last, the one file
//! of the repository that ends like it is taken. When nothing or more than one is found, no file is named.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::report::FirstError;
use crate::{
    config::text::{self, Command},
    model::first_error::{self, Finding, Place},
    ops::OpsError,
    process::cmd::Cmd,
};

/// Bytes that are read of the beginning of a log; first errors stand there.
const HEAD: u64 = 8 << 20;
/// Bytes that are read of its end; some runners tell the errors last.
const TAIL: u64 = 2 << 20;
/// Longest time for git to list the files.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

/// What stands in the log, of a large one its beginning and its end.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read(log: &Utf8Path) -> Result<String, OpsError> {
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(log)?;
        let size = file.metadata()?.len();
        let mut bytes = Vec::new();
        (&mut file).take(HEAD).read_to_end(&mut bytes)?;
        if size > HEAD {
            bytes.push(b'\n');
            file.seek(io::SeekFrom::Start(HEAD.max(size.saturating_sub(TAIL))))?;
            file.take(TAIL).read_to_end(&mut bytes)?;
        }
        Ok(bytes)
    };
    let bytes = read().map_err(|source| OpsError::File { act: "read", path: log.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The first error in `output`, what `command` wrote without colours.
pub(super) async fn find(output: &str, command: &Command, workdir: &Utf8Path) -> Option<FirstError> {
    let findings = first_error::findings(output);
    let tree = Tree::look(command, workdir).await;
    for finding in &findings {
        for place in &finding.places {
            if let Some(file) = tree.resolve(finding, &place.file) {
                let Place { line, column, .. } = place.clone();
                return Some(FirstError { file: Some(file), line, column, message: finding.message.clone() });
            }
        }
    }
    match findings.into_iter().next() {
        Some(finding) => Some(FirstError::message(finding.message)),
        None => output
            .lines()
            .rev()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .map(|line| FirstError::message(line.chars().take(500).collect())),
    }
}

/// A folder with a `package.json`.
struct Package {
    folder: Utf8PathBuf,
    name: String,
}

struct Tree<'a> {
    command: &'a Command,
    workdir: &'a Utf8Path,
    /// Files of the repository, relative to the workdir.
    files: Vec<String>,
    packages: Vec<Package>,
    /// Folders that the command names.
    named: Vec<Utf8PathBuf>,
}

impl<'a> Tree<'a> {
    /// Without git there are no files, and a path that only a search would find is not found.
    async fn look(command: &'a Command, workdir: &'a Utf8Path) -> Self {
        let env = ["PATH", "HOME"].into_iter().filter_map(|name| Some((name, command.env.get(name)?)));
        let list = ["-c", "core.fsmonitor=false", "ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = Cmd::new("git").args(list).envs(env).cwd(workdir).timeout(LIMIT).output().await;
        let text = listed.map(|output| output.stdout).unwrap_or_default();
        let files: Vec<String> = text.split('\0').filter(|file| !file.is_empty()).map(str::to_owned).collect();
        let packages = files.iter().filter_map(|file| package(workdir, file)).collect();
        let mut tree = Self { command, workdir, files, packages, named: Vec::new() };
        tree.name();
        tree
    }

    /// Takes the folders and packages that the words of the command name: `-w packages/api`, `--filter=@shop/api`,
    /// `-F api...`.
    fn name(&mut self) {
        let words = self.command.argv.iter().skip(1).flat_map(|word| word.split(['=', ' ']));
        // pnpm's filters take in what depends on a package, or what it depends on, by dots.
        let plain =
            words.map(|word| word.trim_end_matches('.').trim_start_matches("...").trim_matches(['^', '{', '}']));
        for word in plain.filter(|word| !word.is_empty()) {
            let folder = text::inside(self.workdir, Some(self.command.cwd.join(word).as_str()));
            let folder = folder.ok().filter(|folder| folder != self.workdir && folder.is_dir());
            for folder in folder.into_iter().chain(self.called(word)) {
                if !self.named.contains(&folder) {
                    self.named.push(folder);
                }
            }
        }
    }

    /// The folders of the packages called `name`, with their scope or without.
    fn called(&self, name: &str) -> Vec<Utf8PathBuf> {
        let is_called = |package: &&Package| {
            let unscoped = package.name.rsplit_once('/').map(|(_, last)| last);
            !name.is_empty() && (package.name == name || unscoped == Some(name))
        };
        self.packages.iter().filter(is_called).map(|package| package.folder.clone()).collect()
    }

    /// The file that `printed` means, relative to the workdir where it lies in it.
    fn resolve(&self, finding: &Finding, printed: &str) -> Option<Utf8PathBuf> {
        let printed = Utf8Path::new(printed.trim_start_matches("./"));
        if printed.is_absolute() {
            let path = text::inside(self.workdir, Some(printed.as_str())).unwrap_or_else(|_| printed.to_owned());
            return path.is_file().then(|| self.relative(&path));
        }
        let own = finding.package.as_deref();
        let own = own.into_iter().flat_map(|own| self.called(own).into_iter().chain([self.workdir.join(own)]));
        let folders = own.chain(self.named.iter().cloned()).chain([self.command.cwd.clone(), self.workdir.to_owned()]);
        let inside = |folder: Utf8PathBuf| text::inside(self.workdir, Some(folder.join(printed).as_str())).ok();
        match folders.filter_map(inside).find(|path| path.is_file()) {
            Some(path) => Some(self.relative(&path)),
            None => self.only_one_that_ends_with(printed),
        }
    }

    fn relative(&self, path: &Utf8Path) -> Utf8PathBuf {
        path.strip_prefix(self.workdir).unwrap_or(path).to_owned()
    }

    /// The one file of the repository whose last parts are `printed`.
    fn only_one_that_ends_with(&self, printed: &Utf8Path) -> Option<Utf8PathBuf> {
        let mut found = self.files.iter().map(Utf8Path::new).filter(|file| file.ends_with(printed));
        match (found.next(), found.next()) {
            (Some(only), None) => self.workdir.join(only).is_file().then(|| only.to_owned()),
            _ => None,
        }
    }
}

fn package(workdir: &Utf8Path, file: &str) -> Option<Package> {
    let file = Utf8Path::new(file);
    if file.file_name() != Some("package.json") || file.parent().is_none_or(|folder| folder == "") {
        return None;
    }
    let path = workdir.join(file);
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
    Some(Package { folder: path.parent()?.to_owned(), name: json["name"].as_str()?.to_owned() })
}
