//! What a run learns of earlier ones, and what it does with it.

use crate::scratch::{Scratch, wf};
use serde_json::Value;

const CONFIG: &str = "steps:\n  - {id: short, run: sleep 0.02}\n  - {id: brief, run: sleep 0.03}\n  \
                      - {id: middling, run: sleep 0.1}\n  - {id: longest, run: sleep 0.4}\n  \
                      - {id: after, run: 'true', needs: [short]}\n";
