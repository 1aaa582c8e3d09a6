//! Who may see and do what in the console, from the groups that a token proves.

use crate::approvals::{Approval, Approver, Person};
use crate::config::ConsoleRoles;
use model::Identity;

/// The roles of one person. Every role sees what a viewer sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Roles {
    /// Sees requests, live sessions, policies and health.
    pub viewer: bool,
    /// Decides where a rule names one of their groups.
    pub approver: bool,
    /// Searches and replays recordings; each look is recorded.
    pub auditor: bool,
    /// Ends sessions.
    pub operator: bool,
}

impl Roles {
    /// Of these groups.
    #[must_use]
    pub fn of(groups: &[String], configured: &ConsoleRoles) -> Self {
        let any = |role: &[String]| role.iter().any(|group| groups.contains(group));
        let (approver, auditor, operator) =
            (any(&configured.approver), any(&configured.auditor), any(&configured.operator));
        Self { viewer: any(&configured.viewer) || approver || auditor || operator, approver, auditor, operator }
    }

    /// Their names, for people.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        [(self.approver, "approver"), (self.auditor, "auditor"), (self.operator, "operator"), (self.viewer, "viewer")]
            .into_iter()
            .filter_map(|(held, name)| held.then_some(name))
            .collect()
    }
}

/// A person in front of the console, or a program with their token.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    pub(crate) identity: Identity,
    pub(crate) roles: Roles,
    /// How they proved who they are: `console login` or `bearer token`.
    pub(crate) auth: &'static str,
}

impl Visitor {
    pub(crate) fn new(identity: Identity, configured: &ConsoleRoles, auth: &'static str) -> Self {
        let roles = Roles::of(&identity.groups, configured);
        Self { identity, roles, auth }
    }

    pub(crate) fn person(&self) -> Person {
        Person::of(&self.identity)
    }

    pub(crate) fn approver(&self) -> Approver {
        Approver::proven(&self.identity, self.auth)
    }

    /// Viewers see all requests; others see their own and those they may decide.
    pub(crate) fn sees(&self, approval: &Approval) -> bool {
        self.roles.viewer
            || approval.request().requester == self.person()
            || approval.deciders().iter().any(|group| self.identity.groups.contains(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_sees_and_no_role_implies_another() {
        let configured = ConsoleRoles {
            viewer: vec!["staff".into()],
            approver: vec!["office".into()],
            auditor: vec!["audit".into()],
            operator: vec!["ops".into()],
        };
        let of = |group: &str| Roles::of(&[group.to_owned()], &configured);
        assert_eq!(of("nobody"), Roles::default());
        assert_eq!(of("staff").names(), ["viewer"]);
        assert_eq!(of("office").names(), ["approver", "viewer"]);
        assert_eq!(of("audit").names(), ["auditor", "viewer"]);
        assert_eq!(of("ops").names(), ["operator", "viewer"]);
    }
}
