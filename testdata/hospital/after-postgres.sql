-- After the rows: indexes, statistics, and what the two roles may do.
CREATE INDEX ON patients (ssn);
CREATE INDEX ON encounters (patient_id);
CREATE INDEX ON encounters (admitted);
CREATE INDEX ON medications (patient_id);
CREATE INDEX ON clinical_notes (patient_id);
GRANT USAGE ON SCHEMA analytics TO affidavit, dba;
GRANT USAGE, CREATE ON SCHEMA public, analytics TO affidavit;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public, analytics TO affidavit;
GRANT ALL ON SEQUENCE s TO affidavit;
GRANT SELECT ON ALL TABLES IN SCHEMA public, analytics TO dba;
ANALYZE;
