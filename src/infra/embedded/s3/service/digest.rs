//! Which digests a body must have: headers, trailers, Content-MD5.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hyper::HeaderMap;
use s3s::{S3Result, TrailingHeaders, s3_error};

use crate::infra::embedded::s3::{
    attributes::{Algorithm, Checksums},
    sink::Received,
};

/// The digests that a request announces for its body.
pub(super) struct Announced {
    checksums: Checksums,
    /// Algorithms whose digest comes after the body.
    trailing: Vec<Algorithm>,
    trailers: Option<TrailingHeaders>,
    md5: Option<[u8; 16]>,
    /// The algorithm to compute when there is no digest to compare with.
    named: Option<Algorithm>,
}

impl Announced {
    /// Reads the headers of a request. `md5` is Content-MD5 and `named` the algorithm that the client would like.
    pub(super) fn read(
        headers: &HeaderMap,
        trailers: Option<TrailingHeaders>,
        md5: Option<&str>,
        named: Option<&str>,
    ) -> S3Result<Self> {
        let mut checksums = Checksums::default();
        for algorithm in Algorithm::ALL {
            let value = headers.get(algorithm.header()).and_then(|value| value.to_str().ok());
            checksums.set(algorithm, value.map(str::to_owned));
        }
        let lists = headers.get_all("x-amz-trailer").iter().filter_map(|value| value.to_str().ok());
        let trailers_named: Vec<&str> = lists.flat_map(|list| list.split(',').map(str::trim)).collect();
        let trailing = Algorithm::ALL
            .into_iter()
            .filter(|algorithm| trailers_named.iter().any(|name| name.eq_ignore_ascii_case(algorithm.header())));
        let md5 = md5.map(|text| {
            let bytes = BASE64_STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
            bytes.ok_or_else(|| s3_error!(InvalidDigest))
        });
        Ok(Self {
            checksums,
            trailing: trailing.collect(),
            trailers,
            md5: md5.transpose()?,
            named: named.and_then(Algorithm::parse),
        })
    }

    /// The algorithms to compute: what is announced, else what the client named, else S3's own default.
    pub(super) fn wanted(&self) -> Vec<Algorithm> {
        let mut wanted: Vec<Algorithm> = self.checksums.algorithms().chain(self.trailing.iter().copied()).collect();
        wanted.extend(self.named);
        if wanted.is_empty() {
            wanted.push(Algorithm::Crc64nvme);
        }
        wanted
    }

    /// Compares what came with what was announced.
    pub(super) fn verify(&self, received: &Received) -> S3Result<()> {
        if self.md5.is_some_and(|md5| md5 != received.md5) {
            return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
        }
        let trailers = self.trailers.as_ref().and_then(TrailingHeaders::take).unwrap_or_default();
        for algorithm in Algorithm::ALL {
            let trailing = self.trailing.contains(&algorithm).then(|| {
                let value = trailers.get(algorithm.header()).and_then(|value| value.to_str().ok());
                value.map(|value| value.trim().to_owned()).unwrap_or_default()
            });
            let announced = self.checksums.get(algorithm).cloned().into_iter().chain(trailing);
            for digest in announced {
                if received.checksums.get(algorithm) != Some(&digest) {
                    let name = algorithm.name();
                    return Err(s3_error!(
                        BadDigest,
                        "The {name} you specified did not match the calculated checksum."
                    ));
                }
            }
        }
        Ok(())
    }
}
