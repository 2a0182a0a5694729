//! What clients see: every question, mutation, subscription, upload and download, over HTTP as they send it.

mod access;
mod agreement;
mod batches;
mod choropleth;
mod exposed;
mod geojson;
mod http_caching;
mod lists;
mod live_totals;
mod load_control;
mod load_progress;
mod loads;
mod operations;
mod paystats;
mod postal_code_lists;
mod postal_codes;
mod reconnects;
mod rejections_csv;
mod rejections_live;
mod schema;
mod stats;
mod streams;
mod totals;
mod traces;
mod unavailable;
mod uploads;
