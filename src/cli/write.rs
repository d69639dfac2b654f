//! Writing a file that somebody keeps: whole or not at all.

use std::{
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use super::{Failure, load::plain};
use crate::report::style::clean;

/// Puts `text` in the place of what the file at `path` says, if there is one. Its owner and mode stay, and a link to it stays one.
pub fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let fail =
        |error: io::Error| Failure::new(format!("cannot write {}: {}", clean(&path.to_string_lossy()), plain(&error)));
    let (target, before) = match fs::canonicalize(path) {
        Ok(target) => (target, Some(fs::metadata(path).map_err(fail)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => (path.to_owned(), None),
        Err(error) => return Err(fail(error)),
    };
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        // A terminal, a pipe: there is nothing to replace.
        return fs::write(&target, text).map_err(fail);
    }
    let draft = draft_of(&target);
    let written = write_draft(&draft, text, before.as_ref()).and_then(|()| fs::rename(&draft, &target));
    if written.is_err() {
        // Where not even this works, the draft is what shows it.
        drop(fs::remove_file(&draft));
    }
    written.map_err(fail)
}

/// Where the new text is gathered: beside the file, so that it takes its place at once.
fn draft_of(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}.netwright-{}", std::process::id()))
}

fn write_draft(draft: &Path, text: &str, before: Option<&Metadata>) -> io::Result<()> {
    let mut file = File::create_new(draft)?;
    if let Some(before) = before {
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
            fchown(&file, Some(before.uid()), Some(before.gid()))?;
        }
        file.set_permissions(before.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("lab.yaml"), folder.path().join("link.yaml"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        symlink("lab.yaml", &link).unwrap();
        replace(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "a draft is left");
    }

    #[test]
    fn what_cannot_be_written_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let Err(Failure::Message(message)) = replace(&folder.path().join("no/lab.yaml"), "x") else { panic!() };
        assert!(message.contains("no/lab.yaml: no such file or directory"), "{message}");
    }
}
