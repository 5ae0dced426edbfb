//! A client that can be as wrong as a test wants: every byte that goes out is made here.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use bucketbell_ledger::{Clock as _, SystemClock};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    server::{ACCESS_KEY, SECRET_KEY},
    sigv4::{Signer, canonical_query, canonical_request, encoded, sha256},
};

/// How the request proves who sends it.
#[derive(Clone, PartialEq)]
pub enum Proof {
    Header,
    /// A presigned url that is good for so many seconds.
    Url(u32),
    Nothing,
}

/// How the body travels.
#[derive(Clone, PartialEq)]
pub enum Payload {
    /// Its SHA-256 is signed.
    Signed,
    /// Another one is.
    SignedAs(String),
    Unsigned,
    /// `aws-chunked` in pieces of so many bytes: with a signature per chunk or without; with a trailer or without.
    Chunked {
        piece: usize,
        signed: bool,
        trailer: Option<(String, String)>,
    },
}

/// A request to make.
#[derive(Clone)]
pub struct Call {
    pub method: &'static str,
    /// Bytes that are percent-encoded on the way.
    pub path: Vec<u8>,
    pub query: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    /// Headers that are sent and not signed.
    pub unsigned: Vec<(String, String)>,
    /// A header that is sent and left out of the signature, although the client adds it itself.
    pub forgotten: Option<&'static str>,
    pub body: Vec<u8>,
    pub payload: Payload,
    pub proof: Proof,
    pub access_key: String,
    pub secret_key: String,
    /// Seconds that the client's clock is ahead.
    pub clock_ahead: i64,
    /// What is said about the length of the body, when it is not the truth.
    pub claimed_length: Option<usize>,
    pub claimed_decoded_length: Option<usize>,
    /// Applied to the bytes on the wire, after everything was signed.
    pub tamper: Option<fn(Vec<u8>) -> Vec<u8>>,
    pub host: String,
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Call {
    pub fn new(method: &'static str, path: &str) -> Self {
        Self {
            method,
            path: path.as_bytes().to_vec(),
            query: Vec::new(),
            headers: Vec::new(),
            unsigned: Vec::new(),
            forgotten: None,
            body: Vec::new(),
            payload: Payload::Signed,
            proof: Proof::Header,
            access_key: ACCESS_KEY.into(),
            secret_key: SECRET_KEY.into(),
            clock_ahead: 0,
            claimed_length: None,
            claimed_decoded_length: None,
            tamper: None,
            host: "localhost".into(),
        }
    }

    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    pub fn put(path: &str) -> Self {
        Self::new("PUT", path)
    }

    pub fn head(path: &str) -> Self {
        Self::new("HEAD", path)
    }

    pub fn delete(path: &str) -> Self {
        Self::new("DELETE", path)
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn unsigned(mut self, name: &str, value: impl Into<String>) -> Self {
        self.unsigned.push((name.into(), value.into()));
        self
    }

    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    pub fn payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    pub fn chunked(self, piece: usize, signed: bool, trailer: Option<(&str, &str)>) -> Self {
        let trailer = trailer.map(|(name, value)| (name.to_owned(), value.to_owned()));
        self.payload(Payload::Chunked { piece, signed, trailer })
    }

    pub fn proof(mut self, proof: Proof) -> Self {
        self.proof = proof;
        self
    }

    /// Sends it over a connection of its own.
    pub async fn send(&self, address: SocketAddr) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // The server may answer, and close, before it has read everything.
        let sent = stream.write_all(&self.wire()).await;
        let mut bytes = Vec::new();
        let received = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut bytes)).await;
        let received = received.expect("an answer in time");
        assert!(!bytes.is_empty(), "no answer: sent {sent:?}, received {received:?}");
        Answer::parse(&bytes, self.method)
    }

    /// Sends all of it before it reads a byte, as many clients do, and must not be cut off.
    pub async fn send_whole(&self, address: SocketAddr) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&self.wire()).await.unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        Answer::parse(&bytes, self.method)
    }

    /// Sends the first so many bytes of it and goes away.
    pub async fn abandon(&self, address: SocketAddr, bytes: usize) {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let wire = self.wire();
        stream.write_all(&wire[..bytes.min(wire.len())]).await.unwrap();
        stream.shutdown().await.unwrap();
    }

    /// Returns every byte of the request.
    pub fn wire(&self) -> Vec<u8> {
        let signer = Signer {
            secret_key: self.secret_key.clone(),
            time: bucketbell_event::Timestamp::from_micros(
                SystemClock.now().as_micros() + self.clock_ahead * 1_000_000,
            ),
        };
        let path = encoded(&self.path, true);
        let mut headers = self.headers.clone();
        headers.push(("host".into(), self.host.clone()));
        let mut query = self.query.clone();
        let claimed = self.claimed_payload(&mut headers);
        let seed = match self.proof {
            Proof::Nothing => String::new(),
            Proof::Header => {
                headers.push(("x-amz-date".into(), signer.amz_date()));
                headers.push(("x-amz-content-sha256".into(), claimed.clone()));
                let signed = self.signed(&headers);
                let request = canonical_request(self.method, &path, &query, &signed, &claimed);
                let signature = signer.sign(&signer.request(&request));
                let names: Vec<_> = signed.iter().map(|(name, _)| name.as_str()).collect();
                let (key, scope, names) = (&self.access_key, signer.scope(), names.join(";"));
                let value =
                    format!("AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}");
                headers.push(("authorization".into(), value));
                signature
            }
            Proof::Url(expires) => {
                let signed = self.signed(&headers);
                let names: Vec<_> = signed.iter().map(|(name, _)| name.as_str()).collect();
                for (name, value) in [
                    ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".to_owned()),
                    ("X-Amz-Credential", format!("{}/{}", self.access_key, signer.scope())),
                    ("X-Amz-Date", signer.amz_date()),
                    ("X-Amz-Expires", expires.to_string()),
                    ("X-Amz-SignedHeaders", names.join(";")),
                ] {
                    query.push((name.to_owned(), value));
                }
                let request = canonical_request(self.method, &path, &query, &signed, "UNSIGNED-PAYLOAD");
                query.push(("X-Amz-Signature".into(), signer.sign(&signer.request(&request))));
                String::new()
            }
        };
        let body = self.framed(&signer, &seed);
        let query = canonical_query(&query);
        let mark = if query.is_empty() { "" } else { "?" };
        let mut wire = format!("{} {path}{mark}{query} HTTP/1.1\r\n", self.method).into_bytes();
        for (name, value) in headers.iter().chain(&self.unsigned) {
            wire.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
        }
        let length = self.claimed_length.unwrap_or(body.len());
        wire.extend_from_slice(format!("content-length: {length}\r\nconnection: close\r\n\r\n").as_bytes());
        wire.extend_from_slice(&body);
        self.tamper.map_or(wire.clone(), |tamper| tamper(wire))
    }

    /// Returns the headers that are signed, in their order.
    fn signed(&self, headers: &[(String, String)]) -> Vec<(String, String)> {
        let mut signed: Vec<_> = headers.iter().map(|(name, value)| (name.to_lowercase(), value.clone())).collect();
        signed.retain(|(name, _)| self.forgotten != Some(name.as_str()));
        signed.sort();
        signed
    }

    /// Returns what is signed of the body, and adds the headers that announce its framing.
    fn claimed_payload(&self, headers: &mut Vec<(String, String)>) -> String {
        let Payload::Chunked { signed, trailer, .. } = &self.payload else {
            return match &self.payload {
                Payload::SignedAs(hash) => hash.clone(),
                Payload::Unsigned => "UNSIGNED-PAYLOAD".into(),
                _ => sha256(&self.body),
            };
        };
        let decoded = self.claimed_decoded_length.unwrap_or(self.body.len());
        headers.push(("x-amz-decoded-content-length".into(), decoded.to_string()));
        if let Some((name, _)) = trailer {
            headers.push(("x-amz-trailer".into(), name.clone()));
        }
        match (signed, trailer) {
            (true, None) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
            (true, Some(_)) => "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
            (false, _) => "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        }
        .into()
    }

    /// Returns the body as it travels.
    fn framed(&self, signer: &Signer, seed: &str) -> Vec<u8> {
        let Payload::Chunked { piece, signed, trailer } = &self.payload else { return self.body.clone() };
        let mut out = Vec::new();
        let mut previous = seed.to_owned();
        for bytes in self.body.chunks(*piece).chain([&b""[..]]) {
            let mut head = format!("{:x}", bytes.len());
            if *signed {
                previous = signer.chunk(&previous, bytes);
                head.push_str(&format!(";chunk-signature={previous}"));
            }
            out.extend_from_slice(format!("{head}\r\n").as_bytes());
            out.extend_from_slice(bytes);
            if !bytes.is_empty() {
                out.extend_from_slice(b"\r\n");
            }
        }
        if let Some((name, value)) = trailer {
            out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            if *signed {
                let signature = signer.trailer(&previous, &format!("{name}:{value}\n"));
                out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
            }
        }
        out.extend_from_slice(b"\r\n");
        out
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = String::from_utf8_lossy(&self.body).chars().take(1000).collect();
        write!(out, "{} {:?} {body}", self.status, self.headers)
    }
}

impl Answer {
    fn parse(bytes: &[u8], method: &str) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head");
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<_, _> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let body = bytes[end + 4..].to_vec();
        if let (Some(length), false) = (headers.get("content-length"), method == "HEAD" || status == 304) {
            assert_eq!(*length, body.len().to_string(), "the length is the truth: {head}");
        }
        Self { status, headers, body }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// Returns the text in the first element of that name.
    pub fn element(&self, name: &str) -> String {
        self.elements(name).into_iter().next().unwrap_or_default()
    }

    /// Returns the text in all elements of that name. Only good for elements without others in them.
    pub fn elements(&self, name: &str) -> Vec<String> {
        let text = self.text();
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        text.split(&start).skip(1).map(|part| part.split(&end).next().unwrap().to_owned()).collect()
    }

    /// Returns the status and the code of an error, which must be complete.
    pub fn error(&self) -> (u16, String) {
        assert_ne!(self.element("Message"), "", "a message: {self:?}");
        assert_eq!(self.element("RequestId"), self.header("x-amz-request-id"), "the request's id: {self:?}");
        assert!(self.element("Resource").starts_with('/'), "a resource: {self:?}");
        (self.status, self.element("Code"))
    }
}
