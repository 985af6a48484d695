//! Which shared services the app uses, as its compose files tell.

use camino::Utf8Path;

use super::{app::App, read::text};
use crate::model::manifest::Service;

const FILES: [&str; 6] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
    "docker-compose.dev.yml",
    "docker/docker-compose.dev.yml",
];
/// Parts of an image's name.
const IMAGES: [(&str, Service); 16] = [
    ("postgres", Service::Postgres),
    ("pgvector", Service::Postgres),
    ("postgis", Service::Postgres),
    ("timescale", Service::Postgres),
    ("minio", Service::S3),
    ("localstack", Service::S3),
    ("s3mock", Service::S3),
    ("seaweedfs", Service::S3),
    ("garage", Service::S3),
    ("mailpit", Service::Mail),
    ("mailhog", Service::Mail),
    ("maildev", Service::Mail),
    ("mailcatcher", Service::Mail),
    ("browserless", Service::Browser),
    ("selenium", Service::Browser),
    ("headless", Service::Browser),
];
/// Images of what an app needs and the harness has not.
const OTHERS: [&str; 10] =
    ["redis", "valkey", "mysql", "mariadb", "mongo", "rabbitmq", "kafka", "elasticsearch", "opensearch", "memcached"];

/// Looks for compose files in the checkout at `root`.
pub(super) fn look(root: &Utf8Path, app: &mut App) {
    for file in FILES {
        let Some(yaml) = text(&root.join(file)) else { continue };
        for image in images(&yaml) {
            let name = image.rsplit('/').next().unwrap_or(image).split([':', '@']).next().unwrap_or_default();
            let service = |text: &str| IMAGES.iter().find(|(part, _)| text.contains(part)).map(|(_, service)| *service);
            let other = OTHERS.iter().find(|part| name.contains(**part));
            if let Some(service) = service(name).or_else(|| if other.is_none() { service(image) } else { None }) {
                app.uses(service, format!("{file}: {image}"));
            } else if let Some(other) = other {
                let sentence =
                    format!("the harness has no {other}, which {file} has: all agents would share one of your own");
                if !app.open.contains(&sentence) {
                    app.open.push(sentence);
                }
            }
        }
    }
}

/// The images of a compose file: a line `image: name` is one, whatever else the file has.
fn images(yaml: &str) -> impl Iterator<Item = &str> {
    yaml.lines().filter_map(|line| {
        let image = line.trim_start().strip_prefix("image:")?.split(" #").next()?.trim().trim_matches(['\'', '"']);
        (!image.is_empty()).then_some(image)
    })
}
