-- The synthetic hospital on PostgreSQL. Load it into an empty database.
-- `public` holds protected tables, `analytics` holds tables without any protected column.

CREATE TYPE sex AS ENUM ('f', 'm', 'x');

CREATE TABLE providers (
    id          integer PRIMARY KEY,
    npi         char(10) NOT NULL UNIQUE,
    full_name   varchar(60) NOT NULL,
    specialty   text NOT NULL,
    phone       varchar(20)
);

CREATE TABLE patients (
    id            integer PRIMARY KEY,
    mrn           varchar(20) NOT NULL UNIQUE,
    ssn           varchar(11) NOT NULL,
    full_name     varchar(60) NOT NULL,
    dob           date NOT NULL,
    sex           sex NOT NULL,
    phone         varchar(20),
    email         varchar(80),
    address       text,
    city          text,
    state         char(2),
    zip           char(5),
    mbi           char(11),
    account_no    bigint,
    portal_id     uuid,
    last_ip       inet,
    contact       jsonb,
    aliases       text[],
    photo         bytea,
    height_cm     numeric(5, 1),
    insured       boolean NOT NULL,
    department_id integer NOT NULL,
    created_at    timestamptz NOT NULL,
    notes         text
);

CREATE TABLE encounters (
    id            integer PRIMARY KEY,
    patient_id    integer NOT NULL REFERENCES patients (id),
    department_id integer NOT NULL,
    provider_id   integer NOT NULL REFERENCES providers (id),
    admitted      timestamp NOT NULL,
    discharged    timestamp,
    icd10         varchar(8) NOT NULL,
    kind          text NOT NULL,
    cost          numeric(12, 2) NOT NULL,
    notes         text
);

CREATE TABLE medications (
    id          integer PRIMARY KEY,
    patient_id  integer NOT NULL REFERENCES patients (id),
    provider_id integer NOT NULL REFERENCES providers (id),
    rxnorm      varchar(12) NOT NULL,
    drug        text NOT NULL,
    dose        numeric NOT NULL,
    unit        text NOT NULL,
    started     date NOT NULL
);

CREATE TABLE clinical_notes (
    id         integer PRIMARY KEY,
    patient_id integer NOT NULL REFERENCES patients (id),
    author_id  integer NOT NULL REFERENCES providers (id),
    written_at timestamp NOT NULL,
    body       text NOT NULL
);

CREATE SCHEMA analytics;

CREATE TABLE analytics.departments (
    id   integer PRIMARY KEY,
    code varchar(8) NOT NULL UNIQUE,
    name text NOT NULL,
    beds integer NOT NULL
);

CREATE TABLE analytics.icd10 (
    code    varchar(8) PRIMARY KEY,
    title   text NOT NULL,
    chapter text NOT NULL
);

CREATE TABLE analytics.bed_census (
    day           date NOT NULL,
    department_id integer NOT NULL REFERENCES analytics.departments (id),
    occupied      integer NOT NULL,
    capacity      integer NOT NULL,
    PRIMARY KEY (day, department_id)
);

CREATE VIEW analytics.occupancy AS
    SELECT d.name, c.day, c.occupied, c.capacity, round(100.0 * c.occupied / c.capacity, 1) AS percent
    FROM analytics.bed_census c JOIN analytics.departments d ON d.id = c.department_id;

-- Somewhere to write.
CREATE TABLE analytics.scratch (
    id     integer PRIMARY KEY,
    label  text,
    amount numeric(12, 2),
    at     timestamptz
);

-- Every common type, unprotected: what the proxy must pass untouched, byte for byte.
CREATE TYPE analytics.mood AS ENUM ('calm', 'busy', 'alarm');
CREATE TYPE analytics.vital AS (systolic int, diastolic int, at timestamptz);
CREATE DOMAIN analytics.percent AS numeric(5, 2) CHECK (value BETWEEN 0 AND 100);
CREATE TABLE analytics.type_zoo (
    id integer PRIMARY KEY, v_bool boolean, v_int2 smallint, v_int4 integer, v_int8 bigint, v_float4 real,
    v_float8 double precision, v_numeric numeric, v_money_like numeric(12, 2), v_text text, v_varchar varchar(12),
    v_char char(6), v_bytea bytea, v_date date, v_time time, v_timetz timetz, v_timestamp timestamp,
    v_timestamptz timestamptz, v_interval interval, v_uuid uuid, v_json json, v_jsonb jsonb, v_inet inet, v_cidr cidr,
    v_macaddr macaddr, v_bit bit(5), v_varbit varbit(9), v_enum analytics.mood, v_composite analytics.vital,
    v_domain analytics.percent, v_int4_array integer[], v_text_array text[], v_nested integer[][],
    v_date_array date[], v_int4range int4range, v_tstzrange tstzrange, v_point point, v_xml xml, v_tsvector tsvector,
    v_oid oid, v_name name
);
INSERT INTO analytics.type_zoo VALUES
(1, true, -32768, 2147483647, -9223372036854775808, 1.5, -2.25e-300, 12345678901234567890.00012300, 19.90,
 E'quote '' tab \t newline \n backslash \\ caf\u00e9 \U0001F3E5', 'twelve chars', 'ab', '\x00ff10deadbeef', '2024-02-29',
 '23:59:59.999999', '04:05:06+05:30', '2024-12-31 23:59:59.123456', '2024-06-01 12:00:00+02', '1 year 2 mons 3 days 04:05:06.7',
 '6f9619ff-8b86-4011-b42d-00c04fc964ff', '{"a": [1, 2.50, null], "b": "x"}', '{"a": {"b": [true, "\u00fc"]}, "n": 1e3}',
 '192.0.2.7/24', '2001:db8::/32', '08:00:2b:01:02:03', B'10110', B'101', 'busy', ROW(120, 80, '2024-01-01 00:00:00+00'),
 99.50, '{1,-2,NULL}', '{"a,b","c\"d",NULL,""}', '{{1,2},{3,4}}', '{2024-01-01,infinity}', '[1,10)',
 '["2024-01-01 00:00:00+00",infinity)', '(1.5,-2)', '<a>1</a>', 'fat:2 cat:3', 4294967295, 'a_name'),
(2, false, 0, 0, 0, 'NaN', 'Infinity', 'NaN', -0.01, '', '', '', '', '-infinity', '00:00', '00:00+00', 'infinity', '-infinity',
 '-1 mons +2 days', '00000000-0000-4000-8000-000000000000', 'null', '[]', '::1', '10.0.0.0/8', 'ff:ff:ff:ff:ff:ff', B'00000', B'',
 'calm', ROW(NULL, NULL, NULL), 0, '{}', '{}', '{}', '{}', 'empty', '(,)', '(0,0)', '<b/>', '', 0, ''),
(3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
 NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(4, true, 1, -1, 1, -0.0, 1e22, 1e-20, 10000, repeat('long ', 2000), 'x', 'sixsix', decode(repeat('ab', 5000), 'hex'), '0001-01-01 BC',
 '12:00', '12:00-08', '0001-01-01 00:00:00', '9999-12-31 23:59:59+00', '0', 'ffffffff-ffff-4fff-bfff-ffffffffffff', '1', '"s"',
 '0.0.0.0/0', '::/0', '00:00:00:00:00:01', B'11111', B'111111111', 'alarm', ROW(1, 2, 'epoch'), 100, '[0:1]={7,8}', '{x}', '{{5}}',
 '{2000-01-01}', '(,5]', 'empty', '(NaN,Infinity)', 'text', 'x', 1, 'n');

-- The same idea for protected cells: a mask has to answer something valid for each of these types.
CREATE TABLE vault (
    id integer PRIMARY KEY, v_bool boolean, v_int2 smallint, v_int4 integer, v_int8 bigint, v_float4 real, v_float8 float8,
    v_numeric numeric(14, 3), v_text text NOT NULL, v_varchar varchar(4), v_char char(9), v_bytea bytea, v_date date,
    v_time time, v_timestamp timestamp, v_timestamptz timestamptz, v_interval interval, v_uuid uuid, v_json json,
    v_jsonb jsonb, v_inet inet, v_enum sex, v_text_array text[], v_int_array integer[], v_date_not_null date NOT NULL,
    v_int_not_null integer NOT NULL, v_range int4range
);
INSERT INTO vault SELECT n, true, 31000 + n, 1900000000 + n, 8100000000000000000 + n, 7654.5 + n, 98765432.5 + n, 91919191.125 + n,
    'vaulted secret ' || n, 'v' || n, 'vlt' || n, decode('c0ffee' || lpad(n::text, 6, '0'), 'hex'), date '1931-07-19' + n,
    time '13:37' + n * interval '1 s', timestamp '1931-07-19 13:37' + n * interval '1 s',
    timestamptz '1931-07-19 13:37+00' + n * interval '1 s', n * interval '3331 s',
    ('deadbeef-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, json_build_object('vaulted', 'secret json ' || n),
    jsonb_build_object('vaulted', jsonb_build_array('secret jsonb ' || n, 717171 + n)), ('10.99.88.' || n)::inet, 'm',
    ARRAY['secret array ' || n, NULL], ARRAY[818181 + n], date '1932-08-20' + n, 1717000000 + n, int4range(616161 + n, 626262 + n)
FROM generate_series(1, 20) n;
INSERT INTO vault (id, v_text, v_date_not_null, v_int_not_null) VALUES (21, 'vaulted secret 21', '1931-07-18', 1717000021);

-- Shapes that attacks reach for: a view that renames, a definer function, an object with a unique constraint.
CREATE VIEW pv AS SELECT id, ssn AS zip FROM patients;
CREATE FUNCTION getp(integer) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT ssn FROM public.patients WHERE id = $1';
CREATE SEQUENCE s;
CREATE TABLE uq (v varchar(30) UNIQUE);

-- Something unprotected beside the protected tables, in their schema.
CREATE TABLE mine (id integer PRIMARY KEY, a text, n integer);
INSERT INTO mine SELECT i, 'a' || i, i FROM generate_series(1, 20) i;
