//! The style sheet and the icon, embedded.

use axum::response::Response;

use crate::reply::typed;

const STYLE: &str = include_str!("../assets/style.css");
const ICON: &str = include_str!("../assets/icon.svg");

pub(crate) async fn style() -> Response {
    typed("text/css; charset=utf-8", STYLE)
}

pub(crate) async fn icon() -> Response {
    typed("image/svg+xml", ICON)
}
