//! What time and change demand of others: each job runs beside the doors until the gateway stops.
//!
//! | file | holds |
//! |---|---|
//! | `bounces` | reads what comes back by mail |
//! | `expiry` | says in time what ends: certificates and issuers |
//! | `leavings` | who left while only the copy was served |
//! | `ocsp` | asks responders about certificates |
//! | `directory` | the region's directory asked again and again |
//! | `probes` | looks at services, each on its own schedule |
//! | `publisher` | renders what is read by many when something changed, and every minute |
//! | `returns` | what lies with people who have gone goes back to the receivers |
//! | `revocation` | keeps revocation lists fresh, says when one grows old |
//! | `snapshot` | the same on disk, for whoever serves it when we do not |
//! | `status_clock` | what is told when its time comes |
//! | `tickets` | reporters hear of an incident's end, answered tickets lapse |

pub mod bounces;
pub mod directory;
pub mod expiry;
pub mod leavings;
pub mod ocsp;
pub mod probes;
pub mod publisher;
pub mod returns;
pub mod revocation;
pub mod snapshot;
pub mod status_clock;
pub mod tickets;
