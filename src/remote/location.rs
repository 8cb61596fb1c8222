//! The store or the web server that an address means.

use object_store::{ObjectStore, aws::AmazonS3Builder, azure::MicrosoftAzureBuilder, gcp::GoogleCloudStorageBuilder};
use reqwest::Url;
use std::sync::Arc;

/// Where an address leads.
#[derive(Clone)]
pub enum Location {
    /// A store, and the key within it.
    Object(Arc<dyn ObjectStore>, String),
    Web(Url),
}

/// Opens what an address means; None where the text is a path. An error says what is wrong with the address.
pub fn open_location(text: &str) -> Result<Option<Location>, String> {
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(None) };
    let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
    let root = format!("{scheme}://{authority}");
    let wrong = |error: object_store::Error| error.to_string();
    let store: Arc<dyn ObjectStore> = match scheme {
        "s3" | "s3a" => Arc::new(AmazonS3Builder::from_env().with_url(root).build().map_err(wrong)?),
        "gs" => Arc::new(GoogleCloudStorageBuilder::from_env().with_url(root).build().map_err(wrong)?),
        "az" | "abfs" | "abfss" => Arc::new(MicrosoftAzureBuilder::from_env().with_url(root).build().map_err(wrong)?),
        "http" | "https" => {
            return Url::parse(text).map(|url| Some(Location::Web(url))).map_err(|error| error.to_string());
        }
        _ => return Err("addresses begin with s3://, gs://, az:// or https://; anything else is a path".to_owned()),
    };
    Ok(Some(Location::Object(store, key.to_owned())))
}
