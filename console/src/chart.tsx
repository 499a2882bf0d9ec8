import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Curve {
  name: string;
  /** The CSS class whose colour the line has. */
  ink: string;
  values: (number | null)[];
}

const HEIGHT = 220;

/** Lines over time. `times` are in ms; `label` says in words what is shown. */
export function Chart(props: { times: number[]; curves: Curve[]; label: string }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shape = props.curves.map((curve) => curve.name).join();
  const data = [props.times.map((at) => at / 1000), ...props.curves.map((curve) => curve.values)] as uPlot.AlignedData;
  const latest = useRef({ data, curves: props.curves });
  latest.current = { data, curves: props.curves };

  // A new plot is made for other lines alone.
  useEffect(() => {
    const into = place.current;
    if (!into) return;
    const make = () => {
      plot.current?.destroy();
      plot.current = new uPlot(options(into, latest.current.curves), latest.current.data, into);
    };
    make();
    const watch = new ResizeObserver(() => plot.current?.setSize({ width: into.clientWidth, height: HEIGHT }));
    watch.observe(into);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    addEventListener("themechange", make);
    dark.addEventListener("change", make);
    return () => {
      watch.disconnect();
      removeEventListener("themechange", make);
      dark.removeEventListener("change", make);
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(data));

  return <div class="chart" ref={place} role="img" aria-label={props.label} />;
}

function options(into: HTMLElement, curves: Curve[]): uPlot.Options {
  const text = ink(into, "muted");
  const grid = { stroke: ink(into, "hairline"), width: 1 };
  const axis = { stroke: text, grid, ticks: { show: false }, font: "12px system-ui, sans-serif" };
  return {
    width: into.clientWidth,
    height: HEIGHT,
    cursor: { y: false },
    legend: { show: curves.length > 1, live: false },
    scales: { y: { range: (_, __, most) => [0, Math.max(5, Math.ceil(most * 1.1))] } },
    axes: [axis, { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000] }],
    series: [
      {},
      ...curves.map((curve) => ({
        label: curve.name,
        stroke: ink(into, curve.ink),
        width: 2,
        points: { show: false },
        spanGaps: false,
      })),
    ],
  };
}

/** The colour that a class has where the chart stands; a canvas knows no classes. */
function ink(into: HTMLElement, name: string): string {
  const probe = document.createElement("span");
  probe.className = `ink-${name}`;
  into.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
