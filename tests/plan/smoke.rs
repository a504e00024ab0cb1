//! tmp
use nsplan::{config::Config, facts::HostFacts, plan::*, types::HostPath};
#[test]
fn smoke() {
    for userns in [false, true] {
        let mut facts = HostFacts::example();
        if userns {
            facts.caller.uid = 1000;
            facts.caller.gid = 1000;
            facts.caller.effective = Default::default();
            facts.caller.permitted = Default::default();
        }
        let config = Config::sandbox(HostPath::new("/").unwrap(), vec!["sh".into()], userns);
        let plan = plan(&config, &facts).unwrap();
        println!("{plan}");
        invariants(&plan).unwrap();
        let json = plan.to_json();
        let back: Plan = serde_json::from_str(&json).unwrap();
        assert_eq!(back, plan);
    }
}
