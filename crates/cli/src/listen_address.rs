//! An address to listen on, with an IP address or a host name.

use std::net::{SocketAddr, ToSocketAddrs};

use serde::{Deserialize, Deserializer, de};

/// `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(format!(
            "'{text}' has no port: write HOST:PORT, as in 127.0.0.1:8080"
        ));
    };
    let port: u16 = port
        .parse()
        .map_err(|_| format!("'{port}' is not a port: write a number from 0 to 65535"))?;
    if host.is_empty() {
        return Err(format!(
            "'{text}' names no host: write 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} \
             for every network it is in"
        ));
    }
    resolve(host, port).ok_or_else(|| {
        format!("'{host}' is not an address of this machine: write one, as in 127.0.0.1:{port}")
    })
}

/// IPv4 before IPv6, because most clients try it first.
fn resolve(host: &str, port: u16) -> Option<SocketAddr> {
    let mut found: Vec<SocketAddr> = (host, port).to_socket_addrs().ok()?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied()
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_are_understood() {
        for (given, address) in [
            ("127.0.0.1:8081", "127.0.0.1:8081"),
            (" 0.0.0.0:0 ", "0.0.0.0:0"),
            ("[::1]:8081", "[::1]:8081"),
            ("localhost:8081", "127.0.0.1:8081"),
        ] {
            assert_eq!(parse(given), Ok(address.parse().unwrap()), "{given}");
        }
    }

    #[test]
    fn what_can_not_be_listened_on_says_what_can() {
        for (given, words) in [
            (
                ":8081",
                "write 127.0.0.1:8081 for this machine alone, 0.0.0.0:8081",
            ),
            ("8081", "'8081' has no port: write HOST:PORT"),
            ("", "has no port"),
            ("localhost", "has no port"),
            ("127.0.0.1:99999", "'99999' is not a port"),
            ("127.0.0.1:", "'' is not a port"),
            ("no such host:80", "is not an address of this machine"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.contains(words), "{given}: {error}");
        }
    }
}
