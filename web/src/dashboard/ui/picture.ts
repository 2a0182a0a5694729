/** PNG pictures of what the page shows: a title and what it is about, charts or a map, and a legend, on the page's own colours. */
import { download } from "./download";

const PADDING = 24;
const LINE = 24;
/** Pixels a CSS pixel: sharp on paper too. */
const SCALE = 2;

export interface LegendEntry {
  colour: string;
  text: string;
}

export interface Title {
  title: string;
  /** What it is narrowed by; may be empty. */
  about: string;
}

/** The chart of a card, as it stands. */
export async function downloadChart(name: string, card: HTMLElement, title: Title, legend: LegendEntry[]) {
  const svg = card.querySelector<SVGSVGElement>("svg.recharts-surface");
  if (svg) {
    const { width, height } = svg.getBoundingClientRect();
    await downloadPicture(name, await toImage(svg, width, height), width, height, title, legend);
  }
}

export async function downloadPicture(
  name: string,
  picture: CanvasImageSource,
  width: number,
  height: number,
  { title, about }: Title,
  legend: LegendEntry[],
) {
  const style = getComputedStyle(document.body);
  const canvas = document.createElement("canvas");
  canvas.width = (width + 2 * PADDING) * SCALE;
  canvas.height = (height + 2 * PADDING + LINE * (2.5 + legend.length)) * SCALE;
  const context = canvas.getContext("2d");
  if (!context) {
    return;
  }
  context.scale(SCALE, SCALE);
  context.fillStyle = resolved("--surface");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = style.color;
  context.font = `600 16px ${style.fontFamily}`;
  context.fillText(title, PADDING, PADDING + 12);
  context.font = `13px ${style.fontFamily}`;
  context.fillText(about, PADDING, PADDING + 12 + LINE);
  context.drawImage(picture, PADDING, PADDING + 2 * LINE, width, height);
  for (const [index, { colour, text }] of legend.entries()) {
    const y = PADDING + height + LINE * (index + 2.5);
    context.fillStyle = colour;
    context.fillRect(PADDING, y, 14, 14);
    context.fillStyle = style.color;
    context.fillText(text, PADDING + 22, y + 12);
  }
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob) {
    download(`${name}.png`, blob);
  }
}

/** What a colour variable comes to in the theme of now. */
export function resolved(variable: string): string {
  const probe = document.createElement("span");
  probe.style.color = `var(${variable})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

const PAINTED = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font", "text-anchor"];

/** An image on its own knows no style sheet, so what it comes to is written into the copy. */
async function toImage(svg: SVGSVGElement, width: number, height: number): Promise<HTMLImageElement> {
  const copy = svg.cloneNode(true) as SVGSVGElement;
  const originals = svg.querySelectorAll<SVGElement>("*");
  for (const [index, element] of copy.querySelectorAll<SVGElement>("*").entries()) {
    const style = getComputedStyle(originals[index] as SVGElement);
    for (const property of PAINTED) {
      element.style.setProperty(property, style.getPropertyValue(property));
    }
  }
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  const url = URL.createObjectURL(new Blob([new XMLSerializer().serializeToString(copy)], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    return image;
  } finally {
    URL.revokeObjectURL(url);
  }
}
