//! Where connections come from: an address of the network, a socket of this machine, or whatever systemd hands over.

use crate::config::ListenAt;
use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::{
        fd::{FromRawFd, RawFd},
        unix::fs::{FileTypeExt, PermissionsExt},
    },
    path::Path,
};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_util::either::Either;

/// Who may open a socket's file: its owner and its group, to which a proxy of this machine may belong.
const SOCKET_MODE: u32 = 0o660;
/// The first of the sockets that systemd hands over (sd_listen_fds(3)).
const FIRST_HANDED_OVER: RawFd = 3;

/// Takes connections.
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A connection, whatever carries it.
pub(super) type Wire = Either<TcpStream, UnixStream>;

impl Listener {
    /// Begins to listen; port 0 is one that is free.
    pub async fn bind(at: &ListenAt) -> io::Result<Self> {
        match at {
            ListenAt::Address(address) => Ok(Self::Tcp(TcpListener::bind(address).await?)),
            ListenAt::Socket(path) => {
                remove_left_over(path)?;
                let listener = UnixListener::bind(path)?;
                fs::set_permissions(path, fs::Permissions::from_mode(SOCKET_MODE))?;
                Ok(Self::Unix(listener))
            }
            ListenAt::HandedOver => take_over(),
        }
    }

    /// The address of the network, where it is one.
    pub fn address(&self) -> io::Result<Option<SocketAddr>> {
        match self {
            Self::Tcp(listener) => listener.local_addr().map(Some),
            Self::Unix(_) => Ok(None),
        }
    }

    /// The next connection, and whom it comes from.
    pub(super) async fn accept(&self) -> io::Result<(Wire, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                Ok((Either::Left(stream), Some(peer.ip())))
            }
            Self::Unix(listener) => Ok((Either::Right(listener.accept().await?.0), None)),
        }
    }
}

/// Removes the socket of a server that is gone. One that answers stays, and binding then fails.
fn remove_left_over(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let is_dead = || {
        std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    if is_socket && is_dead() { fs::remove_file(path) } else { Ok(()) }
}

/// The socket that systemd has opened for this process.
fn take_over() -> io::Result<Listener> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u32>().ok());
    let is_ours = number("LISTEN_PID") == Some(std::process::id());
    if !is_ours || number("LISTEN_FDS") != Some(1) {
        return Err(io::Error::other("systemd has handed over no socket, or several; see systemd.socket(5)"));
    }
    let (mut domain, mut size) = (0, size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: `domain` and `size` live until the call returns, and `size` says how large `domain` is.
    let asked = unsafe {
        libc::getsockopt(FIRST_HANDED_OVER, libc::SOL_SOCKET, libc::SO_DOMAIN, (&raw mut domain).cast(), &mut size)
    };
    // SAFETY: no preconditions; children must not keep the door open.
    if asked != 0 || unsafe { libc::fcntl(FIRST_HANDED_OVER, libc::F_SETFD, libc::FD_CLOEXEC) } != 0 {
        return Err(io::Error::last_os_error());
    }
    if domain == libc::AF_UNIX {
        // SAFETY: the descriptor is a socket of this kind that nobody else in the process has: this runs once, at the start.
        let listener = unsafe { std::os::unix::net::UnixListener::from_raw_fd(FIRST_HANDED_OVER) };
        listener.set_nonblocking(true)?;
        return Ok(Listener::Unix(UnixListener::from_std(listener)?));
    }
    // SAFETY: as above.
    let listener = unsafe { std::net::TcpListener::from_raw_fd(FIRST_HANDED_OVER) };
    listener.set_nonblocking(true)?;
    Ok(Listener::Tcp(TcpListener::from_std(listener)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_one_that_answers_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = ListenAt::Socket(dir.path().join("s"));
        drop(Listener::bind(&at).await.unwrap());
        let second = Listener::bind(&at).await.unwrap();
        assert_eq!(fs::metadata(dir.path().join("s")).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert!(Listener::bind(&at).await.is_err());
        drop(second);
        let file = dir.path().join("file");
        fs::write(&file, "kept").unwrap();
        assert!(Listener::bind(&ListenAt::Socket(file.clone())).await.is_err());
        assert_eq!(fs::read_to_string(file).unwrap(), "kept");
    }
}
