//! CORS and lifecycle of the bucket.

use s3s::{
    S3Request, S3Result,
    dto::{
        AbortIncompleteMultipartUpload, CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput,
        DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, ExpirationStatus, GetBucketCorsInput,
        GetBucketCorsOutput, GetBucketLifecycleConfigurationInput, GetBucketLifecycleConfigurationOutput,
        LifecycleExpiration, LifecycleRule, LifecycleRuleAndOperator, LifecycleRuleFilter, PutBucketCorsInput,
        PutBucketCorsOutput, PutBucketLifecycleConfigurationInput, PutBucketLifecycleConfigurationOutput,
    },
    s3_error,
};

use super::{Scope, refuse::Refuse as _};
use crate::infra::embedded::s3::{cors, expiry};

async fn set<T: serde::Serialize + Send + 'static>(
    scope: &Scope,
    name: &'static str,
    value: Option<T>,
) -> S3Result<()> {
    scope.root.run(move |root| root.index().set(name, value.as_ref())).await.refuse()
}

async fn get<T: serde::de::DeserializeOwned + Send + 'static>(
    scope: &Scope,
    name: &'static str,
) -> S3Result<Option<T>> {
    scope.root.run(move |root| root.index().setting(name)).await.refuse()
}

pub(super) async fn get_cors(scope: Scope, _: S3Request<GetBucketCorsInput>) -> S3Result<GetBucketCorsOutput> {
    let rules: Option<Vec<cors::Rule>> = get(&scope, cors::SETTING).await?;
    let rules = rules.ok_or_else(|| s3_error!(NoSuchCORSConfiguration))?;
    let filled = |list: Vec<String>| (!list.is_empty()).then_some(list);
    let rules = rules.into_iter().map(|rule| CORSRule {
        allowed_headers: filled(rule.headers),
        allowed_methods: rule.methods,
        allowed_origins: rule.origins,
        expose_headers: filled(rule.expose),
        id: rule.id,
        max_age_seconds: rule.max_age,
    });
    Ok(GetBucketCorsOutput { cors_rules: Some(rules.collect()) })
}

pub(super) async fn put_cors(scope: Scope, request: S3Request<PutBucketCorsInput>) -> S3Result<PutBucketCorsOutput> {
    let given = request.input.cors_configuration.cors_rules;
    let methods = ["GET", "PUT", "POST", "DELETE", "HEAD"];
    let wrong = |rule: &CORSRule| {
        rule.allowed_methods.is_empty()
            || rule.allowed_origins.is_empty()
            || rule.allowed_methods.iter().any(|method| !methods.contains(&method.as_str()))
            || rule.allowed_origins.iter().any(|origin| origin.matches('*').count() > 1)
    };
    if given.is_empty() || given.len() > 100 || given.iter().any(wrong) {
        return Err(s3_error!(MalformedXML));
    }
    let rules: Vec<cors::Rule> = given
        .into_iter()
        .map(|rule| cors::Rule {
            id: rule.id,
            origins: rule.allowed_origins,
            methods: rule.allowed_methods,
            headers: rule.allowed_headers.unwrap_or_default(),
            expose: rule.expose_headers.unwrap_or_default(),
            max_age: rule.max_age_seconds,
        })
        .collect();
    set(&scope, cors::SETTING, Some(rules)).await?;
    Ok(PutBucketCorsOutput::default())
}

pub(super) async fn delete_cors(scope: Scope, _: S3Request<DeleteBucketCorsInput>) -> S3Result<DeleteBucketCorsOutput> {
    set::<()>(&scope, cors::SETTING, None).await?;
    Ok(DeleteBucketCorsOutput::default())
}

pub(super) async fn get_lifecycle(
    scope: Scope,
    _: S3Request<GetBucketLifecycleConfigurationInput>,
) -> S3Result<GetBucketLifecycleConfigurationOutput> {
    let rules: Option<Vec<expiry::Rule>> = get(&scope, expiry::LIFECYCLE).await?;
    let rules = rules.ok_or_else(|| s3_error!(NoSuchLifecycleConfiguration))?;
    Ok(GetBucketLifecycleConfigurationOutput {
        rules: Some(rules.into_iter().map(shown).collect()),
        ..GetBucketLifecycleConfigurationOutput::default()
    })
}

fn shown(rule: expiry::Rule) -> LifecycleRule {
    let status = if rule.enabled { ExpirationStatus::ENABLED } else { ExpirationStatus::DISABLED };
    let sized = rule.larger_than.is_some() || rule.smaller_than.is_some();
    let filter = match (rule.filter, sized) {
        (false, _) => None,
        (true, false) => Some(LifecycleRuleFilter { prefix: Some(rule.prefix.clone()), ..Default::default() }),
        (true, true) => Some(LifecycleRuleFilter {
            and: Some(LifecycleRuleAndOperator {
                object_size_greater_than: rule.larger_than,
                object_size_less_than: rule.smaller_than,
                prefix: Some(rule.prefix.clone()),
                tags: None,
            }),
            ..Default::default()
        }),
    };
    LifecycleRule {
        id: rule.id,
        status: ExpirationStatus::from_static(status),
        prefix: (!rule.filter).then_some(rule.prefix),
        filter,
        expiration: rule.days.map(|days| LifecycleExpiration { days: Some(days), ..Default::default() }),
        abort_incomplete_multipart_upload: rule
            .abort_days
            .map(|days| AbortIncompleteMultipartUpload { days_after_initiation: Some(days) }),
        noncurrent_version_expiration: None,
        noncurrent_version_transitions: None,
        transitions: None,
    }
}

pub(super) async fn put_lifecycle(
    scope: Scope,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> S3Result<PutBucketLifecycleConfigurationOutput> {
    let given = request.input.lifecycle_configuration.map(|configuration| configuration.rules).unwrap_or_default();
    if given.is_empty() || given.len() > 1000 {
        return Err(s3_error!(MalformedXML));
    }
    let rules: Vec<expiry::Rule> = given.into_iter().map(kept).collect::<S3Result<_>>()?;
    set(&scope, expiry::LIFECYCLE, Some(rules)).await?;
    Ok(PutBucketLifecycleConfigurationOutput::default())
}

/// A rule as we keep it. What we would not do is refused instead of forgotten.
fn kept(rule: LifecycleRule) -> S3Result<expiry::Rule> {
    let expiration = rule.expiration.unwrap_or_default();
    let filter = rule.filter.clone().unwrap_or_default();
    let and = filter.and.unwrap_or_default();
    let tags = filter.tag.is_some() || and.tags.is_some_and(|tags| !tags.is_empty());
    if rule.transitions.is_some() || expiration.date.is_some() || tags {
        return Err(s3_error!(NotImplemented, "Rules expire objects by days, prefix and size here"));
    }
    let abort_days = rule.abort_incomplete_multipart_upload.and_then(|abort| abort.days_after_initiation);
    if [expiration.days, abort_days].into_iter().flatten().any(|days| days < 1) {
        return Err(s3_error!(InvalidArgument, "Days must be a positive integer"));
    }
    Ok(expiry::Rule {
        enabled: rule.status.as_str() == ExpirationStatus::ENABLED,
        id: rule.id,
        filter: rule.filter.is_some(),
        prefix: and.prefix.or(filter.prefix).or(rule.prefix).unwrap_or_default(),
        larger_than: and.object_size_greater_than.or(filter.object_size_greater_than),
        smaller_than: and.object_size_less_than.or(filter.object_size_less_than),
        days: expiration.days,
        abort_days,
    })
}

pub(super) async fn delete_lifecycle(
    scope: Scope,
    _: S3Request<DeleteBucketLifecycleInput>,
) -> S3Result<DeleteBucketLifecycleOutput> {
    set::<()>(&scope, expiry::LIFECYCLE, None).await?;
    Ok(DeleteBucketLifecycleOutput::default())
}
