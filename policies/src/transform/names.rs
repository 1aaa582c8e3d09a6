//! Names that fake names are made of: common ones of several origins, each usable as a given or as a family name.

pub(super) const GIVEN: [&str; 96] = [
    "Alex", "Amara", "Andrea", "Anil", "Anna", "Ariel", "Avery", "Bao", "Blake", "Bruna", "Cameron", "Carmen", "Casey",
    "Chi", "Clara", "Dana", "Daniel", "Deniz", "Diego", "Drew", "Elena", "Eli", "Emil", "Emma", "Esra", "Eva", "Farah",
    "Felix", "Finn", "Gael", "Grace", "Hana", "Harper", "Hugo", "Ines", "Iris", "Ivan", "Jamal", "Jana", "Jordan",
    "Jude", "Kai", "Karim", "Kim", "Lara", "Lee", "Leila", "Leo", "Lin", "Luca", "Maia", "Malik", "Mara", "Marco",
    "Maya", "Mei", "Mika", "Milan", "Mina", "Morgan", "Nadia", "Nasir", "Nia", "Noa", "Noel", "Nora", "Olga", "Omar",
    "Oscar", "Parker", "Paula", "Pia", "Priya", "Quinn", "Rafael", "Ravi", "Reese", "Rita", "Robin", "Rosa", "Ruth",
    "Sage", "Samir", "Sara", "Silas", "Simone", "Sky", "Tariq", "Taylor", "Theo", "Uma", "Vera", "Wren", "Yara",
    "Yuri", "Zoe",
];

pub(super) const FAMILY: [&str; 96] = [
    "Abbott", "Acosta", "Adler", "Aguilar", "Ahmed", "Bailey", "Banerjee", "Barker", "Becker", "Blanco", "Bosch",
    "Brandt", "Cabrera", "Chan", "Clarke", "Cohen", "Costa", "Cruz", "Dalton", "Desai", "Diaz", "Dunn", "Ellis",
    "Engel", "Farouk", "Ferrari", "Fischer", "Fleming", "Fontaine", "Fraser", "Garcia", "Gomez", "Grant", "Gupta",
    "Haas", "Haddad", "Hansen", "Hayes", "Herrera", "Hoang", "Hughes", "Ibrahim", "Ito", "Jansen", "Jimenez", "Kane",
    "Kaya", "Keller", "Khan", "Kowalski", "Kumar", "Lang", "Larsen", "Lopez", "Lund", "Mahmoud", "Marin", "Meyer",
    "Mori", "Nakamura", "Navarro", "Nguyen", "Novak", "Ocampo", "Okafor", "Olsen", "Ortega", "Osei", "Park", "Patel",
    "Pereira", "Quintero", "Ramos", "Reid", "Rossi", "Sanchez", "Santos", "Sato", "Schmidt", "Shah", "Silva", "Singh",
    "Sousa", "Stein", "Tanaka", "Torres", "Ueda", "Vargas", "Vogel", "Wagner", "Wallace", "Weber", "Wong", "Yamada",
    "Yilmaz", "Zhang",
];
