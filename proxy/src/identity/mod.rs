//! Who is asking: verification of OIDC tokens and the decision who may use which datasource.
