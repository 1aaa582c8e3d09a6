"""PyMySQL: the text protocol; a token goes by mysql_clear_password, which this driver does over TLS only."""

import pymysql
from python_drivers import script
from transcript import CA, DATABASE, HOST, PASSWORD, PORT, USER

script(
    lambda: pymysql.connect(
        host=HOST, port=PORT, user=USER, password=PASSWORD, database=DATABASE, charset="utf8mb4", connect_timeout=10,
        ssl={"ca": CA, "check_hostname": True} if CA else None, max_allowed_packet=64 << 20,
    ),
    6000,
)
