-- The synthetic hospital on MySQL 9 and MariaDB 10.11. Load it with the hospital's database selected.
-- The hospital's database holds protected tables; `analytics`, a database of its own, holds none.

CREATE TABLE providers (
    id          int PRIMARY KEY,
    npi         char(10) NOT NULL UNIQUE,
    full_name   varchar(60) NOT NULL,
    specialty   varchar(60) NOT NULL,
    phone       varchar(20)
);

CREATE TABLE patients (
    id            int PRIMARY KEY,
    mrn           varchar(20) NOT NULL UNIQUE,
    ssn           varchar(11) NOT NULL,
    full_name     varchar(60) NOT NULL,
    dob           date NOT NULL,
    sex           enum('f', 'm', 'x') NOT NULL,
    phone         varchar(20),
    email         varchar(80),
    address       text,
    city          varchar(60),
    state         char(2),
    zip           char(5),
    mbi           char(11),
    account_no    bigint,
    portal_id     char(36),
    last_ip       varchar(45),
    contact       json,
    aliases       json,
    photo         varbinary(64),
    height_cm     decimal(5, 1),
    insured       tinyint(1) NOT NULL,
    department_id int NOT NULL,
    created_at    datetime NOT NULL,
    notes         text,
    INDEX (ssn),
    FULLTEXT (notes)
);

CREATE TABLE encounters (
    id            int PRIMARY KEY,
    patient_id    int NOT NULL,
    department_id int NOT NULL,
    provider_id   int NOT NULL,
    admitted      datetime NOT NULL,
    discharged    datetime,
    icd10         varchar(8) NOT NULL,
    kind          varchar(20) NOT NULL,
    cost          decimal(12, 2) NOT NULL,
    notes         text,
    INDEX (patient_id),
    INDEX (admitted)
);

CREATE TABLE medications (
    id          int PRIMARY KEY,
    patient_id  int NOT NULL,
    provider_id int NOT NULL,
    rxnorm      varchar(12) NOT NULL,
    drug        varchar(60) NOT NULL,
    dose        decimal(10, 3) NOT NULL,
    unit        varchar(10) NOT NULL,
    started     date NOT NULL,
    INDEX (patient_id)
);

CREATE TABLE clinical_notes (
    id         int PRIMARY KEY,
    patient_id int NOT NULL,
    author_id  int NOT NULL,
    written_at datetime NOT NULL,
    body       text NOT NULL,
    INDEX (patient_id)
);

CREATE DATABASE IF NOT EXISTS analytics CHARACTER SET utf8mb4;
DROP TABLE IF EXISTS analytics.bed_census, analytics.departments, analytics.icd10, analytics.scratch, analytics.type_zoo;

CREATE TABLE analytics.departments (
    id   int PRIMARY KEY,
    code varchar(8) NOT NULL UNIQUE,
    name varchar(60) NOT NULL,
    beds int NOT NULL
);

CREATE TABLE analytics.icd10 (
    code    varchar(8) PRIMARY KEY,
    title   varchar(120) NOT NULL,
    chapter varchar(8) NOT NULL
);

CREATE TABLE analytics.bed_census (
    day           date NOT NULL,
    department_id int NOT NULL,
    occupied      int NOT NULL,
    capacity      int NOT NULL,
    PRIMARY KEY (day, department_id)
);

CREATE OR REPLACE VIEW analytics.occupancy AS
    SELECT d.name, c.day, c.occupied, c.capacity, round(100.0 * c.occupied / c.capacity, 1) AS percent
    FROM analytics.bed_census c JOIN analytics.departments d ON d.id = c.department_id;

-- Somewhere to write.
CREATE TABLE analytics.scratch (
    id     int PRIMARY KEY,
    label  varchar(200),
    amount decimal(12, 2),
    at     datetime
);

-- Every common type, unprotected: what the proxy must pass untouched, byte for byte.
CREATE TABLE analytics.type_zoo (
    id int PRIMARY KEY, v_bool bool, v_tiny tinyint, v_utiny tinyint unsigned, v_small smallint, v_medium mediumint,
    v_int int, v_uint int unsigned, v_big bigint, v_ubig bigint unsigned, v_float float, v_double double,
    v_decimal decimal(30, 8), v_bit bit(10), v_char char(6), v_varchar varchar(40), v_text text, v_long longtext,
    v_binary binary(4), v_varbinary varbinary(16), v_blob longblob, v_date date, v_time time(6), v_datetime datetime(6),
    v_timestamp timestamp(3) NULL DEFAULT NULL, v_year year, v_enum enum('calm', 'busy', 'alarm'), v_set set('a', 'b', 'c'),
    v_json json, v_point point, v_latin varchar(20) CHARACTER SET latin1
);
INSERT INTO analytics.type_zoo VALUES
(1, 1, -128, 255, -32768, 8388607, 2147483647, 4294967295, -9223372036854775808, 18446744073709551615, 1.5, -2.25e-300,
 1234567890123456789012.00012300, b'1010101010', 'ab', 'quote '' and "double"', 'tab \t newline \n backslash \\ café 🏥', repeat('long ', 4000),
 0x00ff10de, 0xdeadbeef, repeat(0xab, 5000), '2024-02-29', '838:59:59.000000', '2024-12-31 23:59:59.123456',
 '2024-06-01 12:00:00.250', 2024, 'busy', 'a,c', '{"a": [1, 2.5, null], "b": "x"}', ST_GeomFromText('POINT(1.5 -2)'), 'café'),
(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, b'0', '', '', '', '', '', '', '', '1000-01-01', '-00:00:01', '1000-01-01 00:00:00', '2001-01-01 00:00:00',
 1901, 'calm', '', '[]', ST_GeomFromText('POINT(0 0)'), ''),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
 NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- The same idea for protected cells: a mask has to answer something valid for each of these types.
CREATE TABLE vault (
    id int PRIMARY KEY, v_tiny tinyint, v_small smallint, v_int int, v_big bigint, v_ubig bigint unsigned, v_float float,
    v_double double, v_decimal decimal(14, 3), v_bit bit(20), v_text text NOT NULL, v_varchar varchar(4), v_char char(9),
    v_blob blob, v_date date, v_time time, v_datetime datetime, v_timestamp timestamp NULL DEFAULT NULL, v_year year,
    v_enum enum('f', 'm', 'x'), v_set set('a', 'b'), v_json json, v_date_not_null date NOT NULL, v_int_not_null int NOT NULL
);
INSERT INTO vault
SELECT n, 100, 31000 + n, 1900000000 + n, 8100000000000000000 + n, 18100000000000000000 + n, 7654.5 + n, 98765432.5 + n,
    91919191.125 + n, 515151, concat('vaulted secret ', n), concat('v', n), concat('vlt', n), concat('secret blob ', n),
    date '1931-07-19' + interval n day, sec_to_time(49020 + n), timestamp '1931-07-19 13:37:00' + interval n second,
    timestamp '1987-07-19 13:37:00' + interval n second, 1931, 'm', 'b',
    json_object('vaulted', concat('secret json ', n)), date '1932-08-20' + interval n day, 1717000000 + n
FROM (WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20) SELECT n FROM c) counted;
INSERT INTO vault (id, v_text, v_date_not_null, v_int_not_null) VALUES (21, 'vaulted secret 21', '1931-07-18', 1717000021);

-- Shapes that attacks reach for: views that rename, routines that read, an object with a unique constraint.
CREATE VIEW pv AS SELECT id, ssn AS zip FROM patients;
CREATE ALGORITHM = TEMPTABLE VIEW pvt AS SELECT id, ssn AS zip FROM patients;
CREATE PROCEDURE getp(i int) SELECT ssn FROM patients WHERE id = i;
CREATE FUNCTION fp(i int) RETURNS text READS SQL DATA RETURN (SELECT ssn FROM patients WHERE id = i);
CREATE TABLE uq (v varchar(30) UNIQUE);
