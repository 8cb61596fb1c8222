//! The files of the pages: one style sheet, one script, one icon. Their addresses hold their digests, so that browsers keep
//! them until they change.

use super::{error::PageError, extract::Path};
use crate::chart;
use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// A file that goes out as it is.
struct Asset {
    name: &'static str,
    media_type: &'static str,
    /// It is these texts, one behind the other.
    parts: &'static [&'static str],
}

const STYLE: Asset = Asset {
    name: "style.css",
    media_type: "text/css",
    parts: &[chart::PALETTE, chart::STYLE, include_str!("assets/style.css")],
};
const SCRIPT: Asset =
    Asset { name: "pages.js", media_type: "text/javascript", parts: &[include_str!("assets/pages.js")] };
const ICON: Asset = Asset { name: "icon.svg", media_type: "image/svg+xml", parts: &[include_str!("assets/icon.svg")] };

/// Where the files are.
pub struct Addresses {
    pub style: String,
    pub script: String,
    pub icon: String,
}

pub static ADDRESSES: LazyLock<Addresses> = LazyLock::new(|| {
    let address = |asset: &Asset| {
        let digest = hex::encode(&Sha256::digest(asset.parts.concat())[..8]);
        format!("/assets/{}?v={digest}", asset.name)
    };
    Addresses { style: address(&STYLE), script: address(&SCRIPT), icon: address(&ICON) }
});

pub async fn show(Path(name): Path<String>) -> Result<Response, PageError> {
    let asset = [STYLE, SCRIPT, ICON].into_iter().find(|asset| asset.name == name).ok_or_else(PageError::not_found)?;
    let headers = [
        (header::CONTENT_TYPE, format!("{}; charset=utf-8", asset.media_type)),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable".to_owned()),
    ];
    Ok((headers, asset.parts.concat()).into_response())
}
