//! A picture of how good predictions were: predicted against actual durations, and errors over time. Pure.
//!
//! SVG on a white ground, so that light and dark viewers show the same. Does not know: steps, files, how
//! predictions are made.

mod points;

use crate::predict::replay::score::Scored;
use plotters::coord::Shift;
use plotters::prelude::*;
use points::{Curve, Points};

/// In pixels.
const SIZE: (u32, u32) = (1_120, 560);
const TITLE: i32 = 22;
const CAPTION: i32 = 15;
const LABEL: i32 = 13;
/// Logarithmic axes go on past their last names by this factor.
const ROOM: f64 = 1.1;
/// Dark enough on white to be told apart also without colour: one line is broken up by its points.
const WF: RGBColor = RGBColor(31, 95, 168);
const OTHER: RGBColor = RGBColor(201, 104, 18);
const EQUAL: RGBColor = RGBColor(90, 90, 90);

/// Draws what was scored over so many cycles.
///
/// # Errors
/// Nothing was scored, or plotters cannot draw it.
pub fn svg(title: &str, scored: &[Scored], cycles: usize) -> Result<String, String> {
    let (Some(points), Some(curve)) = (Points::of(scored), Curve::of(scored, cycles)) else {
        return Err("there is nothing to draw yet".into());
    };
    let mut text = String::new();
    {
        let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        let drawn = root.fill(&WHITE).map_err(|error| error.to_string()).and_then(|()| {
            let body = root.titled(title, ("sans-serif", TITLE)).map_err(|error| error.to_string())?;
            let (left, right) = body.split_horizontally(SIZE.0 / 2);
            scatter(&left, &points).map_err(|error| error.to_string())?;
            errors(&right, &curve).map_err(|error| error.to_string())
        });
        drawn?;
        root.present().map_err(|error| error.to_string())?;
    }
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn scatter<'a>(area: &Area<'a>, points: &Points) -> Drawn<'a> {
    // A little more than whole powers of ten, so that these are named at the ends.
    let (from, to) = (points.ends.0 / ROOM, points.ends.1 * ROOM);
    let mut chart = ChartBuilder::on(area)
        .caption("Each dot is one step in one run; the band holds four of five", ("sans-serif", CAPTION))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d((from..to).log_scale(), (from..to).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("predicted, seconds (logarithmic)")
        .y_desc("actual, seconds (logarithmic)")
        .axis_desc_style(("sans-serif", LABEL))
        .label_style(("sans-serif", LABEL))
        .x_label_formatter(&f64::to_string)
        .y_label_formatter(&f64::to_string)
        .x_labels(8)
        .y_labels(8)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    let band = |bin: &points::Bin| Rectangle::new([(bin.from, bin.low), (bin.to, bin.high)], WF.mix(0.18).filled());
    chart
        .draw_series(points.band.iter().map(band))?
        .label("interval")
        .legend(|(x, y)| Rectangle::new([(x, y - 5), (x + 18, y + 5)], WF.mix(0.18).filled()));
    chart
        .draw_series(points.dots.iter().map(|dot| Circle::new(*dot, 2, WF.mix(0.45).filled())))?
        .label("a duration")
        .legend(|(x, y)| Circle::new((x + 9, y), 3, WF.filled()));
    chart
        .draw_series(LineSeries::new([(from, from), (to, to)], EQUAL.stroke_width(1)))?
        .label("as predicted")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], EQUAL.stroke_width(1)));
    // Steps take much longer than predicted more often than much shorter.
    legend(&mut chart, SeriesLabelPosition::LowerRight)
}

fn errors<'a>(area: &Area<'a>, curve: &Curve) -> Drawn<'a> {
    let mut chart = ChartBuilder::on(area)
        .caption("All errors by all durations, over time", ("sans-serif", CAPTION))
        .margin(12)
        .x_label_area_size(44)
        .y_label_area_size(64)
        .build_cartesian_2d(curve.from..curve.to, 0.0..curve.top)?;
    chart
        .configure_mesh()
        .x_desc("run, the oldest first")
        .y_desc("error (WAPE), percent")
        .axis_desc_style(("sans-serif", LABEL))
        .label_style(("sans-serif", LABEL))
        .x_label_formatter(&|run| format!("{run:.0}"))
        .y_label_formatter(&|percent| format!("{percent:.0}"))
        .x_labels(8)
        .y_labels(8)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    chart
        .draw_series(LineSeries::new(curve.other.iter().copied(), OTHER.stroke_width(2)))?
        .label(format!("{}, the best baseline", curve.name))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], OTHER.stroke_width(2)));
    chart
        .draw_series(LineSeries::new(curve.wf.iter().copied(), WF.stroke_width(2)).point_size(3))?
        .label("wf")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], WF.stroke_width(2)));
    legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

/// In a corner that the points leave free.
fn legend<'a, 'b, C>(chart: &mut ChartContext<'a, SVGBackend<'b>, C>, corner: SeriesLabelPosition) -> Drawn<'b>
where
    C: plotters::coord::CoordTranslate,
    'b: 'a,
{
    chart
        .configure_series_labels()
        .position(corner)
        .label_font(("sans-serif", LABEL))
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .draw()
}

#[cfg(test)]
mod tests;
