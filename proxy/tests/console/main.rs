//! The console over HTTP, with an OpenID provider of our own: logging in, deciding, the API, the command line, webhooks.

mod api;
mod command;
mod deciding;
mod issuer;
mod login;
mod webhooks;
mod world;
