\echo 'Occupancy by department, June 2024'
SELECT name, round(avg(percent), 1) AS "average %", max(occupied) AS peak
FROM analytics.occupancy WHERE day BETWEEN '2024-06-01' AND '2024-06-30' GROUP BY name ORDER BY 2 DESC LIMIT 4;
\echo 'Discharged yesterday before lunch, to be called'
SELECT p.mrn, p.full_name, p.dob, p.ssn, p.phone, p.zip, e.icd10
FROM patients p JOIN encounters e ON e.patient_id = p.id
WHERE e.discharged = '2025-06-30 11:30' ORDER BY e.id LIMIT 5;
\echo 'Notes of these visits'
SELECT n.id, n.body FROM clinical_notes n WHERE n.id BETWEEN 3 AND 5 ORDER BY n.id;
