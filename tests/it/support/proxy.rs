//! A TCP proxy to a server that a test can cut off.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub(crate) struct Proxy {
    address: SocketAddr,
    /// How many bytes still pass, in both directions together.
    left: Arc<AtomicI64>,
    server: JoinHandle<()>,
}

impl Proxy {
    /// Lets everything through until it is told otherwise.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let budget = left.clone();
        let server = tokio::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                tokio::spawn(pass(caller, target, budget.clone()));
            }
        });
        Self {
            address,
            left,
            server,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every connection is cut when so many more bytes have passed.
    pub(crate) fn cut_after(&self, bytes: i64) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Lets everything through again.
    pub(crate) fn mend(&self) {
        self.left.store(i64::MAX, Ordering::SeqCst);
    }

    pub(crate) fn was_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(caller: TcpStream, target: SocketAddr, left: Arc<AtomicI64>) {
    if left.load(Ordering::SeqCst) <= 0 {
        return;
    }
    let Ok(server) = TcpStream::connect(target).await else {
        return;
    };
    let (from_caller, to_caller) = caller.into_split();
    let (from_server, to_server) = server.into_split();
    // Both directions end together.
    tokio::select! {
        () = copy(from_caller, to_server, &left) => {}
        () = copy(from_server, to_caller, &left) => {}
    }
}

async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    left: &AtomicI64,
) {
    let mut buffer = vec![0; 8192];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else {
            return;
        };
        let bytes = i64::try_from(read).unwrap();
        if left.fetch_sub(bytes, Ordering::SeqCst) < bytes {
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
