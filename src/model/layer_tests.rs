//! Tests of the parent module.

use proptest::prelude::*;

use super::*;

fn foundation() -> Foundation {
    Foundation { server_major: 15, extensions: vec!["citext".to_owned(), "ltree".to_owned()] }
}

fn inputs(names: &[&str]) -> Vec<Input> {
    names.iter().map(|name| Input { path: (*name).to_owned(), hash: format!("{name}-content") }).collect()
}

fn recipe(name: &str, forward: bool, files: &[&str]) -> Recipe {
    Recipe {
        name: name.to_owned(),
        run: format!("run {name}"),
        cwd: String::new(),
        env: vec![("A".to_owned(), "1".to_owned())],
        forward,
        inputs: inputs(files),
    }
}

fn steps(migrations: &[&str]) -> Vec<Recipe> {
    vec![recipe("migrate", true, migrations), recipe("seed", false, &["seed.sql"]), recipe("demo", false, &[])]
}

/// Records as they would be after all layers of `recipes` were built.
fn built(recipes: &[Recipe]) -> Vec<LayerRecord> {
    chain(&foundation(), recipes).into_iter().enumerate().map(|(age, layer)| record(layer, age)).collect()
}

fn record(layer: Layer, age: usize) -> LayerRecord {
    LayerRecord {
        template: "t".to_owned(),
        name: layer.name,
        fingerprint: layer.fingerprint,
        foundation: layer.foundation,
        steps: layer.steps,
        from: None,
        built: Timestamp::from_second(i64::try_from(age).expect("a small number")).expect("a time"),
        duration_ms: 1,
    }
}

/// (layer, from nothing, steps that run) of every build.
fn brief(recipes: &[Recipe], built: &[LayerRecord]) -> Vec<(usize, bool, Vec<usize>)> {
    plan(&chain(&foundation(), recipes), recipes, built)
        .into_iter()
        .map(|build| (build.layer, build.source == Source::Nothing, build.run))
        .collect()
}

#[test]
fn nothing_built_means_all_layers_from_nothing() {
    assert_eq!(brief(&steps(&["1"]), &[]), [(0, true, vec![0]), (1, false, vec![1]), (2, false, vec![2])]);
    assert_eq!(brief(&[], &[]), [(0, true, vec![])]);
}

#[test]
fn what_is_built_is_not_built_again() {
    let recipes = steps(&["1", "2"]);
    assert_eq!(brief(&recipes, &built(&recipes)), []);
    // The finished template alone is enough.
    assert_eq!(brief(&recipes, &built(&recipes)[2..]), []);
    assert_eq!(brief(&[], &built(&[])), []);
}

#[test]
fn a_changed_step_rebuilds_itself_and_those_above() {
    let old = built(&steps(&["1"]));
    let mut recipes = steps(&["1"]);
    recipes[1].inputs[0].hash = "other".to_owned();
    assert_eq!(brief(&recipes, &old), [(1, false, vec![1]), (2, false, vec![2])]);
    let mut recipes = steps(&["1"]);
    recipes[2].run.push('!');
    assert_eq!(brief(&recipes, &old), [(2, false, vec![2])]);
}

#[test]
fn a_new_migration_runs_on_top_of_the_finished_template() {
    let old = built(&steps(&["1", "2"]));
    let recipes = steps(&["1", "2", "3"]);
    let builds = plan(&chain(&foundation(), &recipes), &recipes, &old);
    assert_eq!(builds, [Build { layer: 2, source: Source::Layer(old[2].fingerprint.clone()), run: vec![0] }]);
}

#[test]
fn the_nearest_older_template_is_brought_up() {
    let mut old = built(&steps(&["1"]));
    old.extend(built(&steps(&["1", "2"])));
    let recipes = steps(&["1", "2", "3"]);
    let builds = plan(&chain(&foundation(), &recipes), &recipes, &old);
    assert_eq!(builds[0].source, Source::Layer(old[5].fingerprint.clone()));
}

#[test]
fn only_a_prefix_is_brought_up() {
    let old = built(&steps(&["1", "3"]));
    for migrations in [&["1", "2", "3"][..], &["1"], &["3"], &["1", "3x"]] {
        assert_eq!(brief(&steps(migrations), &old).len(), 3, "{migrations:?}");
    }
    let mut edited = steps(&["1", "3", "4"]);
    edited[0].inputs[0].hash = "edited".to_owned();
    assert_eq!(brief(&edited, &old).len(), 3);
    let mut not_forward = steps(&["1", "3", "4"]);
    not_forward[0].forward = false;
    assert_eq!(brief(&not_forward, &old).len(), 3);
}

#[test]
fn migrations_may_lie_in_several_folders() {
    let old = built(&steps(&["db/1", "db/3", "ee/2"]));
    assert_eq!(brief(&steps(&["db/1", "db/3", "db/4", "ee/2", "ee/5", "new/0"]), &old).len(), 1);
    for migrations in
        [&["db/1", "db/2", "db/3", "ee/2"][..], &["db/1", "db/3", "ee/1", "ee/2"], &["db/1", "db/4", "ee/2"]]
    {
        assert_eq!(brief(&steps(migrations), &old).len(), 3, "{migrations:?}");
    }
}

#[test]
fn a_new_migration_and_a_changed_seed_start_from_the_old_migrations() {
    let old = built(&steps(&["1"]));
    let mut recipes = steps(&["1", "2"]);
    recipes[1].inputs[0].hash = "other".to_owned();
    assert_eq!(brief(&recipes, &old), [(0, false, vec![0]), (1, false, vec![1]), (2, false, vec![2])]);
}

#[test]
fn only_what_today_needs_is_kept() {
    let old = built(&steps(&["1"]));
    let recipes = steps(&["1", "2"]);
    let today = chain(&foundation(), &recipes);
    // Brought up: the old top is replaced; the old lower layers are what missing ones of today would start from.
    let mut all = old.clone();
    all.push(record(today[2].clone(), 9));
    assert_eq!(superfluous(&today, &recipes, &all), [old[2].fingerprint.clone()]);
    all.extend(today[..2].iter().map(|layer| record(layer.clone(), 9)));
    let mut gone = superfluous(&today, &recipes, &all);
    gone.sort();
    let mut expected: Vec<String> = old.iter().map(|record| record.fingerprint.clone()).collect();
    expected.sort();
    assert_eq!(gone, expected);
}

#[test]
fn the_first_change_is_named() {
    let old = built(&steps(&["1"])).remove(2);
    let change = |recipes: &[Recipe]| first_change(&chain(&foundation(), recipes)[2], &old);
    assert_eq!(change(&steps(&["1"])), None);
    let input = |path: &str| Some(Change::Input { step: "migrate".to_owned(), path: path.to_owned() });
    assert_eq!(change(&steps(&["1", "2"])), input("2"));
    assert_eq!(change(&steps(&[])), input("1"));
    let mut recipes = steps(&["1"]);
    recipes[1].run.push('!');
    assert_eq!(change(&recipes), Some(Change::Recipe("seed".to_owned())));
}

prop_compose! {
    fn any_recipe()(
        name in "[a-c]", run in "[a-c]{0,2}", forward in any::<bool>(),
        env in proptest::collection::vec(("[A-C]", "[a-c]"), 0..3),
        files in proptest::collection::btree_map("[a-e]", "[x-z]", 0..4),
    ) -> Recipe {
        let inputs = files.into_iter().map(|(path, hash)| Input { path, hash }).collect();
        Recipe { name, run, cwd: String::new(), env, forward, inputs }
    }
}

proptest! {
    #[test]
    fn the_order_in_which_inputs_are_listed_does_not_matter(mut recipe in any_recipe()) {
        let before = chain(&foundation(), std::slice::from_ref(&recipe));
        recipe.inputs.reverse();
        recipe.env.reverse();
        let after = chain(&foundation(), std::slice::from_ref(&recipe));
        prop_assert_eq!(before, after);
    }

    #[test]
    fn fingerprints_are_equal_exactly_when_what_goes_in_is(a in any_recipe(), b in any_recipe()) {
        let content = |recipe: &Recipe| {
            let mut env = recipe.env.clone();
            env.sort();
            (recipe.run.clone(), env, recipe.inputs.clone())
        };
        let fingerprint = |recipe: &Recipe| chain(&foundation(), std::slice::from_ref(recipe))[0].fingerprint.clone();
        prop_assert_eq!(content(&a) == content(&b), fingerprint(&a) == fingerprint(&b));
    }

    #[test]
    fn after_the_plan_was_carried_out_nothing_is_left_to_do(
        old in proptest::collection::vec(any_recipe(), 0..4),
        new in proptest::collection::vec(any_recipe(), 0..4),
        kept in proptest::collection::vec(any::<bool>(), 4),
    ) {
        let mut existing: Vec<LayerRecord> =
            built(&old).into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(record, _)| record).collect();
        let today = chain(&foundation(), &new);
        for build in plan(&today, &new, &existing) {
            // What a layer is built on exists when its turn comes.
            if let Source::Layer(source) = &build.source {
                prop_assert!(existing.iter().any(|record| &record.fingerprint == source));
            }
            existing.push(record(today[build.layer].clone(), 50 + build.layer));
        }
        prop_assert_eq!(plan(&today, &new, &existing), []);
        let gone = superfluous(&today, &new, &existing);
        existing.retain(|record| !gone.contains(&record.fingerprint));
        prop_assert_eq!(plan(&today, &new, &existing), []);
    }
}
