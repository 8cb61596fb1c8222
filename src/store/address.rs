//! The address of a database, as its users write it.

use sqlx::postgres::PgConnectOptions;

/// Why an address cannot be used. It repeats nothing of the address, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error("it begins with postgres:// or postgresql://")]
    Scheme,
    #[error("{0}")]
    Form(#[source] sqlx::Error),
}

/// The parameters that an address may have; `options[NAME]` beside them.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Reads `postgres://user:password@host:port/database?parameters`. The host may be left out where a parameter names it, as that
/// of a socket (`postgres://user:password@/database?host=/var/run/postgresql`). Parameters that mean nothing here are left out
/// with a warning that does not show their values.
pub fn parse_address(text: &str) -> Result<PgConnectOptions, AddressError> {
    let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
    if !["postgres", "postgresql"].contains(&scheme) {
        return Err(AddressError::Scheme);
    }
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let (authority, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    // Addresses in general do not let a host be empty.
    let host = if authority.is_empty() || authority.ends_with('@') { "localhost" } else { "" };
    let is_known = |pair: &&str| {
        let name = pair.split('=').next().unwrap_or_default();
        let is_known = PARAMETERS.contains(&name) || name.starts_with("options");
        if !is_known {
            tracing::warn!(parameter = name, "a parameter of the database's address is not known and is left out");
        }
        is_known
    };
    let query: Vec<_> = query.into_iter().flat_map(|query| query.split('&')).filter(is_known).collect();
    format!("{scheme}://{authority}{host}{path}?{}", query.join("&")).parse().map_err(AddressError::Form)
}

/// Where a database is, without who asks for it: host and port, or the folder of its socket.
pub fn place_of(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{} (port {})", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_may_be_named_in_every_way() {
        for text in [
            "postgres://u:p@/db?host=/run/pg",
            "postgres:///db?user=u&password=p&host=/run/pg",
            "postgresql://u:p@localhost/db?host=/run/pg",
            "postgres://u:p@%2Frun%2Fpg/db",
        ] {
            let options = parse_address(text).unwrap();
            assert_eq!(options.get_socket().unwrap().to_str(), Some("/run/pg"), "{text}");
            assert_eq!((options.get_username(), options.get_database()), ("u", Some("db")), "{text}");
            assert_eq!(place_of(&options), "/run/pg (port 5432)");
        }
        let options =
            parse_address("postgres://u:p%40ss@db.example:6000/x?application_name=ours&secret=s3cret").unwrap();
        assert_eq!(place_of(&options), "db.example:6000");
        assert_eq!((options.get_application_name(), options.get_database()), (Some("ours"), Some("x")));
    }

    #[test]
    fn what_is_wrong_with_an_address_is_said_without_its_password() {
        for text in
            ["mysql://u:s3cret@h/d", "u:s3cret@h", "postgres://u:s3cret@h:port/d", "postgres://u:s3cret@h/d?port=x"]
        {
            let error = parse_address(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
