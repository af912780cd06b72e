//! The sockets that the server listens on, and how it finds a free port where there is hardly one.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::{TcpListener, TcpSocket};

use crate::config::Config;

/// How many connections may wait to be accepted: a burst of a thousand sockets must not be turned away.
const BACKLOG: u32 = 4096;

/// The two sockets of a server, bound and listening.
#[derive(Debug)]
pub struct Listeners {
    pub(crate) api: TcpListener,
    pub(crate) control: TcpListener,
    addresses: [SocketAddr; 2],
}

impl Listeners {
    /// Binds the addresses of a configuration. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound.
    pub fn bind(config: &Config) -> io::Result<Self> {
        let api = listen(config.listen)?;
        let control = listen(config.control)?;
        let addresses = [api.local_addr()?, control.local_addr()?];
        Ok(Self { api, control, addresses })
    }

    /// Where the five flows listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// Where the control plane listens.
    #[must_use]
    pub fn control_address(&self) -> SocketAddr {
        self.addresses[1]
    }
}

/// Ports below those that systems give to clients.
const FREE: (u32, u32) = (10_240, 22_000);
/// How many of them are tried.
const ATTEMPTS: u32 = 500;

/// Listens at an address. Port 0 is any that is free: first as the system finds one, which it cannot where each of its ports
/// was a client's within the last minute. A self-test makes two thousand connections a second.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    match listen_at(address) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 => {
            let start = std::process::id().wrapping_mul(97);
            let mut ports = (0..ATTEMPTS).map(|_| {
                let next = start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
                FREE.0 + next % FREE.1
            });
            let free = ports.find_map(|port| {
                let port = u16::try_from(port).ok()?;
                listen_at(SocketAddr::new(address.ip(), port)).ok()
            });
            free.ok_or(error)
        }
        other => other,
    }
}

fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}
