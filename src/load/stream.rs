//! A connection of a worker: TCP, TLS on TCP, or a Unix socket, never blocking.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use mio::event::Source as _;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// Where connections go.
#[derive(Clone, Debug)]
pub(super) enum Endpoint {
    Tcp(SocketAddr),
    Tls(SocketAddr, Arc<ClientConfig>, ServerName<'static>),
    #[cfg(unix)]
    Unix(PathBuf),
}

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Tls(TcpStream, Box<ClientConnection>),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

impl Stream {
    /// Begins to connect; the first readiness to write says that it is done.
    pub(super) fn connect(endpoint: &Endpoint) -> io::Result<Self> {
        let tcp = |address: &SocketAddr| -> io::Result<TcpStream> {
            let stream = TcpStream::connect(*address)?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        match endpoint {
            Endpoint::Tcp(address) => Ok(Self::Tcp(tcp(address)?)),
            Endpoint::Tls(address, config, name) => {
                let session = ClientConnection::new(Arc::clone(config), name.clone())
                    .map_err(io::Error::other)?;
                Ok(Self::Tls(tcp(address)?, Box::new(session)))
            }
            #[cfg(unix)]
            Endpoint::Unix(path) => mio::net::UnixStream::connect(path).map(Self::Unix),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) | Self::Tls(stream, _) => stream.register(registry, token, both),
            #[cfg(unix)]
            Self::Unix(stream) => stream.register(registry, token, both),
        }
    }

    /// Why it could not connect, once it is ready to be written to.
    pub(super) fn error(&self) -> io::Result<()> {
        let error = match self {
            Self::Tcp(stream) | Self::Tls(stream, _) => stream.take_error()?,
            #[cfg(unix)]
            Self::Unix(stream) => stream.take_error()?,
        };
        error.map_or(Ok(()), Err)
    }

    /// Whether requests can be written: TLS has to shake hands first, which this goes on with.
    pub(super) fn is_ready(&mut self) -> io::Result<bool> {
        let Self::Tls(stream, session) = self else { return Ok(true) };
        while session.is_handshaking() {
            let step = if session.wants_write() {
                session.write_tls(stream)
            } else {
                session.read_tls(stream).and_then(|read| {
                    if read == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    session.process_new_packets().map_err(io::Error::other)?;
                    Ok(read)
                })
            };
            match step {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        flush(stream, session)?;
        Ok(true)
    }

    /// Writes what can be written now.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => transmit(&*stream, bytes),
            Self::Tls(stream, session) => {
                let taken = session.writer().write(bytes)?;
                flush(stream, session)?;
                Ok(taken)
            }
            #[cfg(unix)]
            Self::Unix(stream) => transmit(&*stream, bytes),
        }
    }

    /// Sends what an earlier write left behind.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream, session) => flush(stream, session),
            _ => Ok(()),
        }
    }

    /// Reads what is there; 0 is the end.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => receive(&*stream, buffer),
            Self::Tls(stream, session) => loop {
                match session.reader().read(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // Without its farewell the end of TLS is still the end of the connection.
                    Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                    result => return result,
                }
                if session.read_tls(stream)? == 0 {
                    return Ok(0);
                }
                session.process_new_packets().map_err(io::Error::other)?;
                flush(stream, session)?;
            },
            #[cfg(unix)]
            Self::Unix(stream) => receive(&*stream, buffer),
        }
    }

    /// Whether a read that does not fill its buffer has read everything, so that another one is not needed.
    #[inline]
    pub(super) const fn drains(&self) -> bool {
        !matches!(self, Self::Tls(..))
    }
}

// One system call each, made without the C library: its calls are points at which a thread can be cancelled, which costs
// a few per cent of a request.
#[cfg(target_os = "linux")]
#[inline]
fn transmit(stream: impl std::os::fd::AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(stream, bytes, rustix::net::SendFlags::NOSIGNAL)?)
}

#[cfg(target_os = "linux")]
#[inline]
fn receive(stream: impl std::os::fd::AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    let (read, _) = rustix::net::recv(stream, buffer, rustix::net::RecvFlags::empty())?;
    Ok(read)
}

#[cfg(not(target_os = "linux"))]
fn transmit(mut stream: impl Write, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}

#[cfg(not(target_os = "linux"))]
fn receive(mut stream: impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    stream.read(buffer)
}

fn flush(stream: &mut TcpStream, session: &mut ClientConnection) -> io::Result<()> {
    while session.wants_write() {
        match session.write_tls(stream) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
