// MariaDB Connector/J (Debian's libmariadb-java), run as a single source file: text and server-side prepared statements,
// streaming fetch, batches, metadata, cancel; prints the same transcript as the others.

import java.nio.charset.StandardCharsets;
import java.sql.*;
import java.util.*;
import java.util.concurrent.Callable;

public class Jdbc {
    static String json(Object value) {
        if (value == null) return "null";
        if (value instanceof Boolean || value instanceof Integer || value instanceof Long) return value.toString();
        if (value instanceof byte[]) return "{\"hex\": " + json(HexFormat.of().formatHex((byte[]) value)) + "}";
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
            // The message begins with (conn=N), which is another number each time.
            emit(name, Map.of("error", Arrays.asList(error.getErrorCode(), error.getSQLState(), error.getMessage().replaceAll("\\(conn[=:]\\d+\\) ", ""))));
        }
    }

    static List<Object> rows(ResultSet found) throws SQLException {
        List<Object> all = new ArrayList<>();
        ResultSetMetaData meta = found.getMetaData();
        while (found.next()) {
            List<Object> row = new ArrayList<>();
            for (int c = 1; c <= meta.getColumnCount(); c++) {
                int type = meta.getColumnType(c);
                boolean bytes = type == Types.BINARY || type == Types.VARBINARY || type == Types.LONGVARBINARY || type == Types.BLOB || type == Types.BIT;
                row.add(bytes ? found.getBytes(c) : found.getString(c));
            }
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
        String ca = env.getOrDefault("TARGET_CA", "");
        String base = "jdbc:mariadb://" + env.get("TARGET_HOST") + ":" + env.get("TARGET_PORT") + "/" + env.get("TARGET_DATABASE")
            + "?connectTimeout=10000&allowMultiQueries=true&useMysqlMetadata=true"
            + (env.getOrDefault("TARGET_COMPRESS", "").isEmpty() ? "" : "&useCompression=true")
            + (ca.isEmpty() ? "&useSsl=false&allowPublicKeyRetrieval=true" : "&useSsl=true&serverSslCert=" + ca);
        for (String kind : new String[] {"text", "server-side prepared"}) {
            String url = base + (kind.equals("text") ? "" : "&useServerPrepStmts=true");
            try (Connection conn = DriverManager.getConnection(url, env.get("TARGET_USER"), env.get("TARGET_PASSWORD")); Statement plain = conn.createStatement()) {
                step(kind + ": types", () -> rows(conn.prepareStatement("SELECT * FROM analytics.type_zoo WHERE id <> 2 ORDER BY id").executeQuery()));
                step(kind + ": lookup", () -> {
                    List<Object> all = new ArrayList<>();
                    try (PreparedStatement by = conn.prepareStatement("SELECT title FROM analytics.icd10 WHERE code = ?")) {
                        for (String code : new String[] {"I10", "O80", "no", "I10"}) {
                            by.setString(1, code);
                            all.add(rows(by.executeQuery()));
                        }
                    }
                    return all;
                });
                step(kind + ": batch", () -> {
                    plain.executeUpdate("DELETE FROM analytics.scratch WHERE id BETWEEN 9000 AND 9999");
                    try (PreparedStatement insert = conn.prepareStatement("INSERT INTO analytics.scratch (id, label, amount) VALUES (?, ?, ?)")) {
                        for (int n = 0; n < 200; n++) {
                            insert.setInt(1, 9000 + n);
                            insert.setString(2, "n" + n);
                            insert.setBigDecimal(3, new java.math.BigDecimal(n + ".25"));
                            insert.addBatch();
                        }
                        insert.executeBatch();
                    }
                    Object found = rows(plain.executeQuery("SELECT count(*), sum(amount) FROM analytics.scratch WHERE id BETWEEN 9000 AND 9999"));
                    plain.executeUpdate("DELETE FROM analytics.scratch WHERE id BETWEEN 9000 AND 9999");
                    return found;
                });
                step(kind + ": fetch size", () -> {
                    try (PreparedStatement all = conn.prepareStatement("SELECT day, department_id, occupied FROM analytics.bed_census ORDER BY day, department_id")) {
                        all.setFetchSize(37);
                        List<Object> found = rows(all.executeQuery());
                        return Arrays.asList(found.size(), found.get(0), found.get(1000));
                    }
                });
                for (String bad : new String[] {"SELEC", "SELECT * FROM analytics.nope", "INSERT INTO analytics.departments VALUES (1, 'X', 'x', 1)"})
                    step(kind + ": error: " + bad, () -> rows(plain.executeQuery(bad)));
                step(kind + ": after errors", () -> rows(plain.executeQuery("SELECT 'fine'")));
                step("masked, " + kind, () -> {
                    try (PreparedStatement some = conn.prepareStatement("SELECT id, mrn, ssn, full_name, dob, phone, email, zip, account_no, portal_id, photo, height_cm, insured, notes FROM patients WHERE id <= ? ORDER BY id")) {
                        some.setInt(1, 20);
                        return table(some.executeQuery());
                    }
                });
            }
        }
        emit("closed", true);
    }
}
