//! Template layers: fingerprints, and what has to be built.
//!
//! A template is a chain of layers. Each layer's fingerprint covers its recipe (command, environment), the content of
//! its inputs and the layer below, the lowest one's the server and its extensions: equal fingerprints, equal content.
//!
//! A step may be `forward`: its command only adds what is new (migrations). A layer built from fewer inputs is then
//! brought up by running the command again on a copy of it, whatever lies between: a new migration runs on top of the
//! last template, seeds and all, as it will in production.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Part of every fingerprint. Raised when layers are built in another way, so that all are built anew.
const FORMAT: u32 = 1;

/// A file that a layer depends on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Input {
    /// Relative to the workdir.
    pub path: String,
    /// SHA-256 of its content, hexadecimal.
    pub hash: String,
}

/// What the lowest layer starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foundation {
    /// Major version of the server.
    pub server_major: u32,
    /// Extensions that the superuser creates.
    pub extensions: Vec<String>,
}

/// One step as the fingerprint sees it: the texts of the manifest before substitution, which are the same for every
/// agent and hold no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// Name of the step.
    pub name: String,
    /// Its command.
    pub run: String,
    /// Its working directory.
    pub cwd: String,
    /// The environment it depends on: names and texts.
    pub env: Vec<(String, String)>,
    /// Whether its command brings an older layer up.
    pub forward: bool,
    /// The files it depends on today.
    pub inputs: Vec<Input>,
}

/// One step as a built layer remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuiltStep {
    /// Name of the step.
    pub name: String,
    /// Fingerprint of command, working directory and environment.
    pub recipe: String,
    /// Its inputs, sorted by path.
    pub inputs: Vec<Input>,
}

/// What a built layer says of itself: the comment of its database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerRecord {
    /// Name of the finished template that it is a layer of.
    pub template: String,
    /// Name of the layer: that of its last step.
    pub name: String,
    /// Fingerprint of all that went into it.
    pub fingerprint: String,
    /// Fingerprint of what the lowest layer started from.
    pub foundation: String,
    /// The steps in it, lowest first.
    pub steps: Vec<BuiltStep>,
    /// Fingerprint of the layer that it was built on, if it was not built from nothing.
    pub from: Option<String>,
    /// When it was whole.
    pub built: Timestamp,
    /// How long that took, in milliseconds.
    pub duration_ms: u64,
}

/// A layer as it should be today.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Name of the layer: that of its last step.
    pub name: String,
    /// Fingerprint of all that goes into it.
    pub fingerprint: String,
    /// Fingerprint of what the lowest layer starts from.
    pub foundation: String,
    /// The steps in it, lowest first.
    pub steps: Vec<BuiltStep>,
}

/// Name of the only layer of a template without steps.
const FOUNDATION: &str = "foundation";

/// The layers of today, lowest first; never empty. Without steps the foundation itself is the only layer.
#[must_use]
pub fn chain(foundation: &Foundation, recipes: &[Recipe]) -> Vec<Layer> {
    let base = foundation_fingerprint(foundation);
    if recipes.is_empty() {
        let name = FOUNDATION.to_owned();
        return vec![Layer { name, fingerprint: base.clone(), foundation: base, steps: Vec::new() }];
    }
    let mut below = base.clone();
    let mut steps: Vec<BuiltStep> = Vec::new();
    recipes
        .iter()
        .map(|recipe| {
            let mut inputs = recipe.inputs.clone();
            inputs.sort();
            let step = BuiltStep { name: recipe.name.clone(), recipe: recipe_fingerprint(recipe), inputs };
            let mut hash = Hash::new("layer");
            hash.text(&below).text(&step.recipe);
            for input in &step.inputs {
                hash.text(&input.path).text(&input.hash);
            }
            below = hash.finish();
            steps.push(step);
            Layer {
                name: recipe.name.clone(),
                fingerprint: below.clone(),
                foundation: base.clone(),
                steps: steps.clone(),
            }
        })
        .collect()
}

/// What one layer is built on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// An empty database with the extensions.
    Nothing,
    /// A copy of the built layer with this fingerprint.
    Layer(String),
}

/// One layer to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// Index of the layer in the chain.
    pub layer: usize,
    /// What it is built on.
    pub source: Source,
    /// Indices of the steps whose commands run, in this order; none for a template without steps.
    pub run: Vec<usize>,
}

/// The layers to build so that the last one of `chain` exists, in this order; nothing when it is `built`. `recipes` are
/// those that the chain was made of.
///
/// The start is the highest layer that exists as it should be, or can be brought up by forward steps.
#[must_use]
pub fn plan(chain: &[Layer], recipes: &[Recipe], built: &[LayerRecord]) -> Vec<Build> {
    let mut builds = Vec::new();
    let mut below = None;
    for (index, layer) in chain.iter().enumerate().rev() {
        if built.iter().any(|record| record.fingerprint == layer.fingerprint) {
            below = Some(index);
            break;
        }
        if let Some((record, run)) = best_forward(layer, recipes, built) {
            builds.push(Build { layer: index, source: Source::Layer(record.fingerprint.clone()), run });
            below = Some(index);
            break;
        }
    }
    let first = below.map_or(0, |index| index + 1);
    for index in first..chain.len() {
        let source = match index.checked_sub(1) {
            Some(below) => Source::Layer(chain[below].fingerprint.clone()),
            None => Source::Nothing,
        };
        let run = if recipes.is_empty() { Vec::new() } else { vec![index] };
        builds.push(Build { layer: index, source, run });
    }
    builds
}

/// The built layer that needs the fewest new inputs to become `layer` by its forward steps alone, the newest of equals,
/// with the indices of the steps that have to run.
fn best_forward<'a>(
    layer: &Layer,
    recipes: &[Recipe],
    built: &'a [LayerRecord],
) -> Option<(&'a LayerRecord, Vec<usize>)> {
    built
        .iter()
        .filter_map(|record| Some((record, grown(layer, recipes, record)?)))
        .max_by_key(|(record, _)| (record.steps.iter().map(|step| step.inputs.len()).sum::<usize>(), record.built))
}

/// The steps that bring `record` up to `layer`; `None` when something else than the inputs of forward steps changed.
fn grown(layer: &Layer, recipes: &[Recipe], record: &LayerRecord) -> Option<Vec<usize>> {
    if record.foundation != layer.foundation || record.steps.len() != layer.steps.len() {
        return None;
    }
    let mut run = Vec::new();
    for (index, (old, new)) in record.steps.iter().zip(&layer.steps).enumerate() {
        if old.recipe != new.recipe {
            return None;
        }
        if old.inputs != new.inputs {
            let forward = recipes.get(index).is_some_and(|recipe| recipe.forward);
            if !forward || !only_adds(&old.inputs, &new.inputs) {
                return None;
            }
            run.push(index);
        }
    }
    Some(run).filter(|run| !run.is_empty())
}

/// Whether `new` holds all of `old` as it was, and what it adds comes, in its folder, after all that `old` has there:
/// migrations may lie in several folders.
fn only_adds(old: &[Input], new: &[Input]) -> bool {
    let folder = |input: &Input| input.path.rfind('/').map_or(0, |slash| slash);
    let is_kept = |input: &Input| new.contains(input);
    let is_last = |input: &Input| {
        let of_folder = |other: &&Input| other.path[..folder(other)] == input.path[..folder(input)];
        old.iter().filter(of_folder).all(|other| other.path < input.path)
    };
    old.iter().all(is_kept) && new.iter().filter(|input| !old.contains(input)).all(is_last)
}

/// Fingerprints of the built layers that nobody needs: neither today's nor the one from which a missing layer of today
/// would be brought up.
#[must_use]
pub fn superfluous(chain: &[Layer], recipes: &[Recipe], built: &[LayerRecord]) -> Vec<String> {
    let needed: Vec<&str> = chain
        .iter()
        .filter_map(|layer| {
            let exact = built.iter().find(|record| record.fingerprint == layer.fingerprint);
            let record = exact.or_else(|| best_forward(layer, recipes, built).map(|(record, _)| record))?;
            Some(record.fingerprint.as_str())
        })
        .collect();
    built
        .iter()
        .map(|record| &record.fingerprint)
        .filter(|fingerprint| !needed.contains(&fingerprint.as_str()))
        .cloned()
        .collect()
}

/// The first difference between an older layer and today's, for the telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Server version, extensions or our own way of building.
    Foundation,
    /// Steps were added, removed or put in another order.
    Steps,
    /// Command, working directory or environment of this step.
    Recipe(String),
    /// This file of this step is new, changed or gone.
    Input {
        /// The step.
        step: String,
        /// The file.
        path: String,
    },
}

/// What is different today; `None` when nothing is.
#[must_use]
pub fn first_change(layer: &Layer, record: &LayerRecord) -> Option<Change> {
    if record.foundation != layer.foundation {
        return Some(Change::Foundation);
    }
    for (old, new) in record.steps.iter().zip(&layer.steps) {
        if old.name != new.name {
            return Some(Change::Steps);
        }
        if old.recipe != new.recipe {
            return Some(Change::Recipe(new.name.clone()));
        }
        let changed = new.inputs.iter().find(|input| !old.inputs.contains(input));
        let gone = old.inputs.iter().find(|input| !new.inputs.contains(input));
        if let Some(input) = changed.or(gone) {
            return Some(Change::Input { step: new.name.clone(), path: input.path.clone() });
        }
    }
    (record.steps.len() != layer.steps.len()).then_some(Change::Steps)
}

fn foundation_fingerprint(foundation: &Foundation) -> String {
    let mut hash = Hash::new("foundation");
    hash.text(&FORMAT.to_string()).text(&foundation.server_major.to_string());
    let mut extensions: Vec<&String> = foundation.extensions.iter().collect();
    extensions.sort();
    extensions.dedup();
    for extension in extensions {
        hash.text(extension);
    }
    hash.finish()
}

fn recipe_fingerprint(recipe: &Recipe) -> String {
    let mut hash = Hash::new("recipe");
    hash.text(&recipe.run).text(&recipe.cwd);
    let mut env: Vec<&(String, String)> = recipe.env.iter().collect();
    env.sort();
    for (name, text) in env {
        hash.text(name).text(text);
    }
    hash.finish()
}

/// SHA-256 over texts with their lengths, so that no two lists of texts run together.
struct Hash(Sha256);

impl Hash {
    fn new(kind: &str) -> Self {
        let mut hash = Self(Sha256::new());
        hash.text(kind);
        hash
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
