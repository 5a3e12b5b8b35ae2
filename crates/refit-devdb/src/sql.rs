//! Statements that this crate runs on a server. The synchronous driver starts an async runtime, which panics inside
//! another one, so each call runs on its own thread.

use crate::Error;

/// Connects to `url` and runs `work` there; `action` names it in errors.
pub(crate) fn with_client<T: Send>(
    url: &str,
    action: &str,
    work: impl FnOnce(&mut postgres::Client) -> Result<T, postgres::Error> + Send,
) -> Result<T, Error> {
    let run = || {
        let mut client = postgres::Client::connect(url, postgres::NoTls)?;
        work(&mut client)
    };
    let done = std::thread::scope(|scope| scope.spawn(run).join());
    match done {
        Ok(result) => result.map_err(|error: postgres::Error| Error::sql(action, &error)),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// Runs statements that return no rows.
pub(crate) fn execute(url: &str, action: &str, statements: &[&str]) -> Result<(), Error> {
    with_client(url, action, |client| {
        // One message per statement: CREATE DATABASE cannot run in the implicit transaction of several.
        statements.iter().try_for_each(|statement| client.batch_execute(statement))
    })
}

/// The `postgres://` URL of a database; `host` is the socket's folder or an address.
pub(crate) fn url(host: &str, port: u16, password: Option<&str>, database: &str) -> String {
    let password = password.map(|password| format!(":{password}")).unwrap_or_default();
    format!("postgres://postgres{password}@{}:{port}/{}", encode(host), encode(database))
}

/// Percent-encodes all except unreserved characters (RFC 3986, section 2.3).
pub(crate) fn encode(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let encoded = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    encoded.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_socket_folder_is_encoded_as_host() {
        let url = super::url("/tmp/x", 5432, None, "my db");
        assert_eq!(url, "postgres://postgres@%2Ftmp%2Fx:5432/my%20db");
        assert_eq!(super::url("127.0.0.1", 1, Some("s"), "a"), "postgres://postgres:s@127.0.0.1:1/a");
    }
}
