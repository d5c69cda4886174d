//! What a guest runs, in its order. It starts none of it.

/// A program and its arguments.
pub(super) struct Step {
    pub(super) program: &'static str,
    pub(super) arguments: Vec<&'static str>,
}

/// Devices at which the programs are run on fixtures.
const DEVICES: [&str; 5] = [
    "link set lo up",
    "link add cni0 type bridge",
    "link set cni0 up",
    "link add flannel.1 type vxlan id 1 dstport 8472 local 192.0.2.1 nolearning",
    "link set flannel.1 up",
];

/// Tests of the live agent that run here as on any machine, whatever module they are in.
const LIVE: [&str; 13] = [
    "missing_rights_end_in_one_line_and_code_3",
    "auto_counts_the_wire_of_a_virtio_card_and_loses_nothing_by_it",
    "anothers_filters_stay_and_see_every_packet",
    "what_a_killed_agent_left_is_gone_after_the_next_start",
    "a_flow_between_nodes_has_its_class_and_as_many_packets_as_nft_counts",
    "drops_count_by_place_and_path_as_the_kernel_counts_them",
    "what_a_router_announces_to_a_pod_counts_as_the_pods_port_does",
    "without_the_kernels_types_no_drop_is_looked_at_and_the_agent_lives",
    "a_device_made_anew_is_counted_again_and_a_killed_agent_leaves_nothing",
    "anothers_program_stays_and_is_a_blind_spot_until_it_goes",
    "auto_leaves_veth_alone_and_says_so",
    "generic_counts_what_the_stack_gets",
    "native_counts_one_wire_exactly_on_any_kernel",
];

/// What the verifier walks through, program by program.
pub(super) fn measure() -> Vec<Step> {
    vec![Step::new("kernel_budget", &["--nocapture"])]
}

/// That, drops, all fixtures, and tests of the live agent.
pub(super) fn everything() -> Vec<Step> {
    let mut steps = measure();
    let device = |line: &&'static str| Step {
        program: "ip",
        arguments: line.split(' ').collect(),
    };
    steps.extend(DEVICES.iter().map(device));
    steps.push(Step::new("kernel_drops", &["--nocapture"]));
    let one_by_one = "--test-threads=1";
    let fixtures = ["--nocapture", one_by_one, "every_fixture", "every_program"];
    steps.push(Step::new("kernel_differential", &fixtures));
    let live = |name| Step::new("observe_live", &["--nocapture", one_by_one, name]);
    steps.extend(LIVE.map(live));
    steps
}

impl Step {
    fn new(program: &'static str, arguments: &[&'static str]) -> Self {
        let arguments = arguments.to_vec();
        Self { program, arguments }
    }
}
