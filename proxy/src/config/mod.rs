//! The configuration file `affidavit.toml`, read strictly and turned into a validated setup.
