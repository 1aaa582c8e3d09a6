//! Commands: the first byte of what a client sends once it is logged in.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/my__command_8h.html>, MariaDB's own above 0xF0.

pub(crate) const QUIT: u8 = 0x01;
pub(crate) const INIT_DB: u8 = 0x02;
pub(crate) const QUERY: u8 = 0x03;
pub(crate) const FIELD_LIST: u8 = 0x04;
pub(crate) const STATISTICS: u8 = 0x09;
pub(crate) const PROCESS_KILL: u8 = 0x0C;
pub(crate) const PING: u8 = 0x0E;
pub(crate) const CHANGE_USER: u8 = 0x11;
pub(crate) const STMT_PREPARE: u8 = 0x16;
pub(crate) const STMT_EXECUTE: u8 = 0x17;
pub(crate) const STMT_SEND_LONG_DATA: u8 = 0x18;
pub(crate) const STMT_CLOSE: u8 = 0x19;
pub(crate) const STMT_RESET: u8 = 0x1A;
pub(crate) const SET_OPTION: u8 = 0x1B;
pub(crate) const STMT_FETCH: u8 = 0x1C;
pub(crate) const RESET_CONNECTION: u8 = 0x1F;
/// MariaDB: EXECUTE with many rows of parameters.
pub(crate) const STMT_BULK_EXECUTE: u8 = 0xFA;

/// A command's name, for errors and the record.
pub(crate) fn name(command: u8) -> &'static str {
    match command {
        0x00 => "COM_SLEEP",
        QUIT => "COM_QUIT",
        INIT_DB => "COM_INIT_DB",
        QUERY => "COM_QUERY",
        FIELD_LIST => "COM_FIELD_LIST",
        0x05 => "COM_CREATE_DB",
        0x06 => "COM_DROP_DB",
        0x07 => "COM_REFRESH",
        0x08 => "COM_SHUTDOWN",
        STATISTICS => "COM_STATISTICS",
        0x0A => "COM_PROCESS_INFO",
        0x0B => "COM_CONNECT",
        PROCESS_KILL => "COM_PROCESS_KILL",
        0x0D => "COM_DEBUG",
        PING => "COM_PING",
        0x0F => "COM_TIME",
        0x10 => "COM_DELAYED_INSERT",
        CHANGE_USER => "COM_CHANGE_USER",
        0x12 => "COM_BINLOG_DUMP",
        0x13 => "COM_TABLE_DUMP",
        0x14 => "COM_CONNECT_OUT",
        0x15 => "COM_REGISTER_SLAVE",
        STMT_PREPARE => "COM_STMT_PREPARE",
        STMT_EXECUTE => "COM_STMT_EXECUTE",
        STMT_SEND_LONG_DATA => "COM_STMT_SEND_LONG_DATA",
        STMT_CLOSE => "COM_STMT_CLOSE",
        STMT_RESET => "COM_STMT_RESET",
        SET_OPTION => "COM_SET_OPTION",
        STMT_FETCH => "COM_STMT_FETCH",
        0x1D => "COM_DAEMON",
        0x1E => "COM_BINLOG_DUMP_GTID",
        RESET_CONNECTION => "COM_RESET_CONNECTION",
        0x20 => "COM_CLONE",
        0x21 => "COM_SUBSCRIBE_GROUP_REPLICATION_STREAM",
        STMT_BULK_EXECUTE => "COM_STMT_BULK_EXECUTE",
        0xFE => "COM_MULTI",
        _ => "an unknown command",
    }
}
