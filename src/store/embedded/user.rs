//! Who runs the server: we ourselves, or as root, which postgres refuses, the user `postgres` or `nobody`.

use super::error::EmbeddedError;
use std::{
    ffi::CString,
    os::unix::{fs::MetadataExt, process::CommandExt},
    path::Path,
    process::Command,
};

/// Another user than the one of this process.
#[derive(Debug, Clone)]
pub(super) struct ServerUser {
    name: String,
    uid: u32,
    gid: u32,
}

impl ServerUser {
    /// None where the server runs as we do.
    pub(super) fn choose() -> Result<Option<Self>, EmbeddedError> {
        // SAFETY: no preconditions.
        if unsafe { libc::geteuid() } != 0 {
            return Ok(None);
        }
        ["postgres", "nobody"].into_iter().find_map(Self::look_up).map(Some).ok_or(EmbeddedError::NoUser)
    }

    fn look_up(name: &str) -> Option<Self> {
        let c_name = CString::new(name).ok()?;
        let mut buffer = vec![0 as libc::c_char; 16 << 10];
        // SAFETY: passwd is plain numbers and pointers, for which zero is a value.
        let mut entry = unsafe { std::mem::zeroed::<libc::passwd>() };
        let mut found = std::ptr::null_mut();
        // SAFETY: all pointers are to live values, and the length is the buffer's.
        let status =
            unsafe { libc::getpwnam_r(c_name.as_ptr(), &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
        (status == 0 && !found.is_null()).then(|| Self { name: name.to_owned(), uid: entry.pw_uid, gid: entry.pw_gid })
    }

    /// Makes a child run as this user; supplementary groups are dropped with it.
    pub(super) fn run_command_as(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    pub(super) fn take_over(&self, path: &Path) -> Result<(), EmbeddedError> {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid))
            .map_err(EmbeddedError::io("change the owner of", path))
    }

    /// Checks that the user can reach `dir` through all folders above it.
    pub(super) fn check_reach(&self, dir: &Path) -> Result<(), EmbeddedError> {
        for parent in dir.ancestors().skip(1) {
            let meta = parent.metadata().map_err(EmbeddedError::io("look at", parent))?;
            let search = if meta.uid() == self.uid {
                0o100
            } else if meta.gid() == self.gid {
                0o010
            } else {
                0o001
            };
            if meta.mode() & search == 0 {
                return Err(EmbeddedError::ClosedToServer { parent: parent.to_owned(), user: self.name.clone() });
            }
        }
        Ok(())
    }
}
