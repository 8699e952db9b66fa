//! Whether a fault can mean anything to whom it is to strike, as far as the file alone says.

use super::reading::{Placed, Reading};
use super::report::Problem;
use super::target::Target;
use crate::kernel::units::NodeId;
use crate::scenario::fault::{Action, Target as Struck};

/// Who may suffer a kind of fault, besides brokers.
struct Suffers {
    controllers: bool,
    clients: bool,
    /// Why nobody else does.
    because: &'static str,
}

/// Reports a fault that could never have an effect.
pub(super) fn check(
    action: &Action,
    on: &Placed<Target>,
    struck: &Struck,
    reading: &mut Reading,
) -> Option<()> {
    if let Action::Cut { to, .. } | Action::SlowLink { to, .. } | Action::Hold { to, .. } = action
        && let (Some([one]), Some([other])) = (always(struck), always(to))
        && one == other
    {
        let message = format!("a `{}` has two ends, and these are the same", action.kind());
        let problem = Problem::new("model::no-effect", message).at(on.place);
        reading.problem(problem.label("both ends").help("name another node in `to`"));
        return None;
    }
    match suffers(action) {
        Some(suffers) => check_all(action, &suffers, on, reading),
        None => Some(()),
    }
}

fn check_all(action: &Action, suffers: &Suffers, on: &Placed<Target>, reading: &mut Reading) -> Option<()> {
    let is_spared = match &on.value {
        Target::Controller | Target::Controllers | Target::SomeControllers(_) => !suffers.controllers,
        Target::Clients | Target::Producer(_) => !suffers.clients,
        Target::All(all) => {
            let all: Vec<_> = all.iter().map(|one| check_all(action, suffers, one, reading)).collect();
            return all.into_iter().collect();
        }
        Target::Brokers(_)
        | Target::AllBrokers
        | Target::Rack(_)
        | Target::Leader(_)
        | Target::Follower(..)
        | Target::Isr(_) => false,
    };
    if !is_spared {
        return Some(());
    }
    let message = format!("`{}` would have no effect here", action.kind());
    let problem = Problem::new("model::no-effect", message).at(on.place).label(suffers.because);
    let others = if suffers.controllers {
        "brokers or controllers: `broker(1)`, `leader(orders-0)`, `controllers`"
    } else if suffers.clients {
        "brokers or clients: `broker(1)`, `leader(orders-0)`, `clients`"
    } else {
        "brokers: `broker(1)`, `leader(orders-0)`, `all-brokers`"
    };
    reading.problem(problem.help(format!("name {others}")));
    None
}

/// None: everybody does.
fn suffers(action: &Action) -> Option<Suffers> {
    let disks = "clients keep nothing on a disk here";
    let (controllers, clients, because) = match action {
        Action::SlowDisk(_)
        | Action::StallDisk
        | Action::FullDisk
        | Action::FsyncFails
        | Action::FsyncLies => (true, false, disks),
        Action::Wipe => (false, false, "only brokers lose their disks"),
        Action::BitRot { .. } => (false, false, "only brokers have logs whose bytes go bad"),
        Action::ClockJump(_) => (false, true, "nothing a controller does looks at its clock"),
        Action::Crash
        | Action::Stop
        | Action::PowerLoss(_)
        | Action::Pause
        | Action::Isolate { .. }
        | Action::Cut { .. }
        | Action::SlowLink { .. }
        | Action::Hold { .. }
        | Action::Elect(_)
        | Action::Reassign(_)
        | Action::AddPartitions { .. }
        | Action::DeleteTopic
        | Action::Set(..) => return None,
    };
    Some(Suffers { controllers, clients, because })
}

/// Who is meant, if that is the same whenever it is asked.
fn always(target: &Struck) -> Option<&[NodeId]> {
    match target {
        Struck::Brokers(nodes) | Struck::Rack(_, nodes) | Struck::SomeControllers(nodes) => Some(nodes),
        Struck::Leader(_)
        | Struck::Follower(..)
        | Struck::Isr(_)
        | Struck::Partition(_)
        | Struck::Topic(_)
        | Struck::Controller
        | Struck::Controllers
        | Struck::Clients
        | Struck::Producer(_)
        | Struck::All(_) => None,
    }
}
