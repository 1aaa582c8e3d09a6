// The nightly report's list by JDBC: extended protocol, a parameter, TLS that checks the name. The password is the token.

import java.sql.*;
import java.util.Properties;

public class Report {
    static final String LIST = "SELECT p.mrn, p.full_name, p.dob, p.ssn, p.phone, p.zip, e.icd10 "
        + "FROM patients p JOIN encounters e ON e.patient_id = p.id WHERE e.discharged = ? ORDER BY e.id LIMIT 5";

    public static void main(String[] args) throws SQLException {
        Properties options = new Properties();
        options.setProperty("user", "nightly-report");
        options.setProperty("password", System.getenv("TOKEN"));
        options.setProperty("sslmode", "verify-full");
        options.setProperty("sslrootcert", "/run/secrets/ca.crt");
        options.setProperty("ApplicationName", "nightly-report");
        try (Connection connection = DriverManager.getConnection("jdbc:postgresql://affidavit:6432/hospital", options);
             PreparedStatement list = connection.prepareStatement(LIST)) {
            list.setTimestamp(1, Timestamp.valueOf("2025-06-30 11:30:00"));
            ResultSet rows = list.executeQuery();
            while (rows.next()) {
                StringBuilder line = new StringBuilder();
                for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
                    line.append(column == 1 ? "" : " | ").append(rows.getString(column));
                }
                System.out.println(line);
            }
        } catch (SQLException refused) {
            System.err.println(refused.getMessage());
            System.exit(1);
        }
    }
}
