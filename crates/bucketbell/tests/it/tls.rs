//! https on both ports, with a certificate from files.

use std::{fs, io::Write, net::TcpStream, sync::Arc};

use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
use rustls_pki_types::ServerName;

use crate::program::{Server, answer, bucketbell, folder, run, serve};

fn get(address: &str, root: &rustls_pki_types::CertificateDer<'static>, protocol: &[u8]) -> (u16, String) {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    answer(&mut stream)
}

#[test]
fn both_ports_serve_https_and_the_ready_line_says_so() {
    let folder = folder();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let mut command = serve(&folder.path().join("data"));
    command.arg("--s3-tls-cert").arg(&cert).arg("--s3-tls-key").arg(&key);
    command.arg("--api-tls-cert").arg(&cert).arg("--api-tls-key").arg(&key);
    let server = Server::start(&mut command);
    let (s3, api) = (server.s3.strip_prefix("https://").unwrap(), server.api.strip_prefix("https://").unwrap());
    assert_eq!(get(api, made.cert.der(), b"http/1.1").0, 200);
    let (status, text) = get(s3, made.cert.der(), b"http/1.1");
    assert!(matches!(status, 400 | 403) && text.contains("<Error>"), "{text}");
    for address in [s3, api] {
        let (status, text) = crate::program::get(address, "/");
        assert!(status == 400 && text.contains("https://"), "plain http is told what to do: {text}");
    }
    server.stop();
}

#[test]
fn a_certificate_that_cannot_be_used_is_named_before_anything_starts() {
    let folder = folder();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (cert, key, empty) =
        (folder.path().join("cert.pem"), folder.path().join("key.pem"), folder.path().join("empty.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, other.signing_key.serialize_pem()).unwrap();
    fs::write(&empty, "").unwrap();
    for (cert, key, word) in [(&cert, &key, "work together"), (&empty, &key, "empty.pem"), (&cert, &empty, "empty.pem")]
    {
        let mut command = bucketbell();
        command.args(["config", "check", "--s3-tls-cert"]).arg(cert).arg("--s3-tls-key").arg(key);
        let said = run(&mut command);
        let mut command = serve(&folder.path().join("data"));
        let started = run(command.arg("--s3-tls-cert").arg(cert).arg("--s3-tls-key").arg(key));
        assert!(started.code == Some(2) && started.stderr == said.stderr, "{}", started.stderr);
        assert!(said.code == Some(2) && said.stderr.contains(word), "{}", said.stderr);
    }
}
