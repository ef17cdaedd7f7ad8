//! Services whose collector sums up hours, and says so in each event.

use super::{Kind, Service, Setting, Sketch};
use crate::batch::Grain;
use crate::chance::Rng;

/// A service in every respect but the grain.
pub(crate) struct HourlyService;

impl Kind for HourlyService {
    fn name(&self) -> &'static str {
        "service_hourly"
    }

    fn count(&self) -> u32 {
        23
    }

    fn sketch(&self, setting: &Setting, rng: &mut Rng) -> Sketch {
        Sketch {
            grain: Grain::Spanned(60),
            ..Service.sketch(setting, rng)
        }
    }
}
