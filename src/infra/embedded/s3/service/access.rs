//! Who asks and which bucket may be meant. The signature's key selects the root; a bucket that is not the key's own is
//! refused in the same words whether it exists or not.

use std::sync::Arc;

use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::{S3Auth, SecretKey},
    config::{S3Config, StaticConfigProvider},
    dto::CopySource,
    host::{S3Host, VirtualHost},
    s3_error,
    service::{S3Service, S3ServiceBuilder},
    validation::NameValidation,
};

use super::Service;
use crate::infra::embedded::s3::{keys::Keys, percent, roots::Roots};

/// Largest file of a form upload (POST policy), which s3s collects in memory.
const FORM_LIMIT: u64 = 64 << 20;

/// Whose request it is, as the key file said when the request came.
#[derive(Clone, Debug)]
pub(super) struct Principal {
    pub(super) access_key: String,
    pub(super) bucket: String,
    pub(super) expire_days: u32,
}

impl Principal {
    /// The key of a copy's source, which must lie in the same bucket.
    pub(super) fn source_key(&self, source: &CopySource) -> S3Result<String> {
        match source {
            CopySource::Bucket { bucket, key, .. } if **bucket == *self.bucket => Ok(key.to_string()),
            _ => Err(s3_error!(AccessDenied, "Access Denied")),
        }
    }
}

/// The service as s3s runs it.
pub(in super::super) fn build(roots: Arc<Roots>) -> S3Service {
    let keys = roots.keys().clone();
    let mut builder = S3ServiceBuilder::new(Service::new(roots));
    let mut config = S3Config::default();
    config.post_object_max_file_size = FORM_LIMIT;
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_auth(Auth(keys.clone()));
    builder.set_access(Access(keys));
    builder.set_validation(AnyName);
    builder.set_host(Localhost);
    builder.build()
}

struct Auth(Keys);

#[async_trait::async_trait]
impl S3Auth for Auth {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let key = self.0.find(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        Ok(SecretKey::from(key.secret_key.expose()))
    }
}

struct Access(Keys);

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let denied = || s3_error!(AccessDenied, "Access Denied");
        let access_key = &context.credentials().ok_or_else(denied)?.access_key;
        let key = self.0.find(access_key).ok_or_else(denied)?;
        if context.s3_path().get_bucket_name().is_some_and(|bucket| bucket != key.bucket) || unsigned_header(context) {
            return Err(denied());
        }
        let principal = Principal { access_key: key.access_key, bucket: key.bucket, expire_days: key.expire_days };
        context.extensions_mut().insert(principal);
        Ok(())
    }
}

/// Whether an `x-amz-` header that changes what is done was added to the request after it was signed: the holder of a
/// presigned URL to put one object must not turn it into a copy of another.
fn unsigned_header(context: &S3AccessContext<'_>) -> bool {
    let query = context.uri().query().unwrap_or_default();
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    let in_query = |name: &str| pairs.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let signed = if let Some(names) = in_query("X-Amz-SignedHeaders") {
        names.to_string()
    } else {
        let header = context.headers().get("authorization").and_then(|value| value.to_str().ok());
        let Some((_, rest)) = header.and_then(|header| header.split_once("SignedHeaders=")) else {
            // Version 2 signatures always cover all `x-amz-` headers; forms have none.
            return false;
        };
        rest.split([',', ' ']).next().unwrap_or_default().to_owned()
    };
    context.headers().iter().any(|(name, value)| {
        let name = name.as_str();
        // The first two say how, not what; the values of the signed query were made headers by our HTTP layer.
        name.starts_with("x-amz-")
            && !["x-amz-content-sha256", "x-amz-user-agent", "x-amz-date", "x-amz-security-token"].contains(&name)
            && !signed.split(';').any(|signed| signed.eq_ignore_ascii_case(name))
            && in_query(name).is_none_or(|query| query.as_bytes() != value.as_bytes())
    })
}

/// Every text can be the name of a bucket that one may not enter.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, name: &str) -> bool {
        !name.is_empty()
    }
}

/// `<bucket>.localhost`, as clients address buckets that are not told to use paths.
struct Localhost;

impl S3Host for Localhost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let plain = VirtualHost::new("localhost");
        Ok(match bucket_in_host(host) {
            Some(bucket) => plain.with_bucket(bucket),
            None => plain,
        })
    }
}

fn bucket_in_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name.strip_suffix(".localhost").filter(|bucket| !bucket.is_empty())
}

/// The bucket that a request with this host and path is about.
pub(in super::super) fn bucket_of(host: Option<&str>, path: &str) -> Option<String> {
    if let Some(bucket) = host.and_then(bucket_in_host) {
        return Some(bucket.to_owned());
    }
    let name = path.trim_start_matches('/').split('/').next().filter(|name| !name.is_empty())?;
    Some(percent::decode(name))
}
