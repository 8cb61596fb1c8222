//! A file on its way to its name: written beside it, and put in its place once it is whole.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Begins the file that is to become `path`, anew: what stood under its name is removed and never written to. It may be a link
/// that somebody has put there, in a folder that others may write to, to have another file overwritten.
pub fn begin(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let part = path.with_file_name(format!(".{name}.part"));
    match fs::remove_file(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    Ok((File::create_new(&part)?, part))
}

/// Writes a whole file in place of whatever has the name; a link is replaced, not followed.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (mut file, part) = begin(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(part, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_that_lie_in_wait_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let [victim, path, part] = ["victim", "t.spec.json", ".t.spec.json.part"].map(|name| dir.path().join(name));
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, &path).unwrap();
        symlink(&victim, &part).unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(
            (&fs::read_to_string(&victim).unwrap()[..], &fs::read_to_string(&path).unwrap()[..]),
            ("precious", "new")
        );
        assert!(path.symlink_metadata().unwrap().is_file() && !part.exists());
    }
}
