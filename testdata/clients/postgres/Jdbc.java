// JDBC (Debian's libpostgresql-jdbc-java), run as a single source file: extended protocol, server-side prepare after five
// executions, binary transfer, fetch size, batches, metadata, COPY, cancel; prints the same transcript as the others.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.*;
import java.util.concurrent.Callable;
import org.postgresql.PGConnection;

public class Jdbc {
    static String json(Object value) {
        if (value == null) return "null";
        if (value instanceof Boolean || value instanceof Integer || value instanceof Long) return value.toString();
        if (value instanceof byte[]) return "{\"hex\": " + json(HexFormat.of().formatHex((byte[]) value)) + "}";
        if (value instanceof Object[]) return json(Arrays.asList((Object[]) value));
        if (value instanceof List) {
            StringJoiner all = new StringJoiner(", ", "[", "]");
            for (Object inner : (List<?>) value) all.add(json(inner));
            return all.toString();
        }
        if (value instanceof Map) {
            StringJoiner all = new StringJoiner(", ", "{", "}");
            for (Map.Entry<?, ?> entry : new TreeMap<>((Map<?, ?>) value).entrySet()) all.add(json(entry.getKey()) + ": " + json(entry.getValue()));
            return all.toString();
        }
        StringBuilder out = new StringBuilder("\"");
        for (char c : value.toString().toCharArray()) {
            if (c == '"' || c == '\\') out.append('\\').append(c);
            else if (c < 0x20) out.append(String.format("\\u%04x", (int) c));
            else out.append(c);
        }
        return out.append('"').toString();
    }

    static void emit(String name, Object result) {
        System.out.println("{\"result\": " + json(result) + ", \"step\": " + json(name) + "}");
    }

    static void step(String name, Callable<Object> action) throws Exception {
        try {
            emit(name, action.call());
        } catch (SQLException error) {
            emit(name, Map.of("error", Arrays.asList(error.getSQLState(), error.getMessage())));
        }
    }

    static List<Object> rows(ResultSet found) throws SQLException {
        List<Object> all = new ArrayList<>();
        int width = found.getMetaData().getColumnCount();
        while (found.next()) {
            List<Object> row = new ArrayList<>();
            for (int c = 1; c <= width; c++) row.add(found.getString(c));
            all.add(row);
        }
        return all;
    }

    static Map<String, Object> table(ResultSet found) throws SQLException {
        List<Object> columns = new ArrayList<>();
        ResultSetMetaData meta = found.getMetaData();
        for (int c = 1; c <= meta.getColumnCount(); c++) columns.add(meta.getColumnLabel(c));
        return Map.of("columns", columns, "rows", rows(found));
    }

    public static void main(String[] args) throws Exception {
        System.setOut(new java.io.PrintStream(System.out, true, StandardCharsets.UTF_8));
        Map<String, String> env = System.getenv();
        Properties options = new Properties();
        options.setProperty("user", env.get("TARGET_USER"));
        options.setProperty("password", env.get("TARGET_PASSWORD"));
        options.setProperty("ApplicationName", "jdbc-transcript");
        String ca = env.getOrDefault("TARGET_CA", "");
        options.setProperty("sslmode", ca.isEmpty() ? "disable" : "verify-full");
        if (!ca.isEmpty()) options.setProperty("sslrootcert", ca);
        options.setProperty("loginTimeout", "15");
        String url = "jdbc:postgresql://" + env.get("TARGET_HOST") + ":" + env.get("TARGET_PORT") + "/" + env.get("TARGET_DATABASE");
        try (Connection conn = DriverManager.getConnection(url, options); Statement plain = conn.createStatement()) {
            step("select", () -> rows(plain.executeQuery("SELECT code, title FROM analytics.icd10 ORDER BY code")));
            step("types", () -> rows(plain.executeQuery("SELECT * FROM analytics.type_zoo WHERE id <> 2 ORDER BY id")));
            step("prepared, past the threshold", () -> {
                List<Object> all = new ArrayList<>();
                try (PreparedStatement by = conn.prepareStatement("SELECT d.id, d.name, d.beds, c.day FROM analytics.departments d JOIN analytics.bed_census c ON c.department_id = d.id WHERE d.id = ? ORDER BY c.day LIMIT 1")) {
                    for (int n = 1; n <= 8; n++) {
                        by.setInt(1, n);
                        all.add(rows(by.executeQuery()));
                    }
                }
                return all;
            });
            step("several statements", () -> {
                List<Object> all = new ArrayList<>();
                boolean more = plain.execute("SELECT 1; SELECT 2; SELECT 3");
                while (more) {
                    all.add(rows(plain.getResultSet()));
                    more = plain.getMoreResults();
                }
                return all;
            });
            step("batch", () -> {
                plain.executeUpdate("DELETE FROM analytics.scratch WHERE id BETWEEN 5000 AND 5999");
                try (PreparedStatement insert = conn.prepareStatement("INSERT INTO analytics.scratch (id, label, amount) VALUES (?, ?, ?)")) {
                    for (int n = 0; n < 300; n++) {
                        insert.setInt(1, 5000 + n);
                        insert.setString(2, "n" + n);
                        insert.setBigDecimal(3, new java.math.BigDecimal(n + ".25"));
                        insert.addBatch();
                    }
                    int total = Arrays.stream(insert.executeBatch()).sum();
                    return Arrays.asList(total, rows(plain.executeQuery("SELECT count(*), sum(amount) FROM analytics.scratch WHERE id BETWEEN 5000 AND 5999")));
                }
            });
            step("transaction", () -> {
                conn.setAutoCommit(false);
                try {
                    plain.executeUpdate("UPDATE analytics.scratch SET label = 'kept' WHERE id = 5000");
                    Savepoint here = conn.setSavepoint();
                    try {
                        plain.executeQuery("SELECT 1/0");
                    } catch (SQLException error) {
                        conn.rollback(here);
                    }
                    conn.commit();
                } finally {
                    conn.setAutoCommit(true);
                }
                return rows(plain.executeQuery("SELECT label FROM analytics.scratch WHERE id = 5000"));
            });
            step("fetch size", () -> {
                conn.setAutoCommit(false);
                try (PreparedStatement all = conn.prepareStatement("SELECT day, department_id, occupied FROM analytics.bed_census ORDER BY day, department_id")) {
                    all.setFetchSize(37);
                    List<Object> found = rows(all.executeQuery());
                    return Arrays.asList(found.size(), found.get(0), found.get(1000), found.get(found.size() - 1));
                } finally {
                    conn.setAutoCommit(true);
                }
            });
            step("copy out", () -> {
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                long count = conn.unwrap(PGConnection.class).getCopyAPI().copyOut("COPY analytics.departments TO STDOUT WITH (FORMAT csv)", out);
                return Arrays.asList(count, out.toString(StandardCharsets.UTF_8));
            });
            step("copy in", () -> {
                byte[] data = "5900,a,1.5\n5901,b,2.5\n".getBytes(StandardCharsets.UTF_8);
                return conn.unwrap(PGConnection.class).getCopyAPI().copyIn("COPY analytics.scratch (id, label, amount) FROM STDIN WITH (FORMAT csv)", new ByteArrayInputStream(data));
            });
            step("cancel", () -> {
                try (Statement slow = conn.createStatement()) {
                    new java.util.Timer(true).schedule(new TimerTask() {
                        public void run() {
                            try {
                                slow.cancel();
                            } catch (SQLException error) {
                                throw new IllegalStateException(error);
                            }
                        }
                    }, 400);
                    slow.execute("SELECT pg_sleep(30)");
                    return "not cancelled";
                } catch (SQLException error) {
                    return Arrays.asList(error.getSQLState(), rows(plain.executeQuery("SELECT 'alive'")));
                }
            });
            step("metadata of tables", () -> {
                List<Object> names = new ArrayList<>();
                ResultSet found = conn.getMetaData().getTables(null, "analytics", "%", new String[] {"TABLE", "VIEW"});
                while (found.next()) names.add(found.getString("TABLE_NAME") + " " + found.getString("TABLE_TYPE"));
                return names;
            });
            step("metadata of columns", () -> {
                List<Object> names = new ArrayList<>();
                ResultSet found = conn.getMetaData().getColumns(null, "public", "patients", "%");
                while (found.next()) names.add(Arrays.asList(found.getString("COLUMN_NAME"), found.getString("TYPE_NAME"), found.getInt("NULLABLE")));
                return names;
            });
            step("metadata of keys", () -> {
                ResultSet found = conn.getMetaData().getPrimaryKeys(null, "analytics", "bed_census");
                List<Object> names = new ArrayList<>();
                while (found.next()) names.add(found.getString("COLUMN_NAME"));
                return names;
            });
            step("table behind a column", () -> {
                ResultSetMetaData meta = plain.executeQuery("SELECT name AS label FROM analytics.departments").getMetaData();
                return Arrays.asList(meta.getColumnLabel(1), meta.getTableName(1), meta.getColumnTypeName(1), meta.isNullable(1));
            });
            for (String bad : new String[] {"SELECT 1/0", "SELECT * FROM analytics.nope", "SELEC", "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1)"})
                step("error: " + bad, () -> rows(plain.executeQuery(bad)));
            step("after errors", () -> rows(plain.executeQuery("SELECT 'fine'")));
            String patients = "SELECT id, mrn, ssn, full_name, dob, phone, email, zip, account_no, portal_id, contact, aliases, photo, height_cm, insured, created_at, notes FROM patients WHERE id <= 20 ORDER BY id";
            step("masked", () -> table(plain.executeQuery(patients)));
            step("masked, binary transfer", () -> {
                try (PreparedStatement some = conn.prepareStatement("SELECT id, ssn, full_name, dob, account_no, portal_id, height_cm, created_at, photo FROM patients WHERE id <= ? ORDER BY id")) {
                    some.setInt(1, 10);
                    for (int n = 0; n < 7; n++) rows(some.executeQuery());
                    return table(some.executeQuery());
                }
            });
            step("masked, fetch size", () -> {
                conn.setAutoCommit(false);
                try (PreparedStatement all = conn.prepareStatement("SELECT id, ssn, full_name, state FROM patients WHERE id <= 50 ORDER BY id")) {
                    all.setFetchSize(7);
                    return table(all.executeQuery());
                } finally {
                    conn.setAutoCommit(true);
                }
            });
            step("masked by protected key", () -> {
                try (PreparedStatement by = conn.prepareStatement("SELECT id, full_name, state FROM patients WHERE mrn = ?")) {
                    by.setString(1, "MRN9513673220");
                    return table(by.executeQuery());
                }
            });
            plain.executeUpdate("DELETE FROM analytics.scratch WHERE id BETWEEN 5000 AND 5999");
        }
        emit("closed", true);
    }
}
