/** Files that are dropped on a page. */
import type { Page } from "playwright-core";

/** Drops a file somewhere on the page, as if it came from the desktop. */
export async function drop(page: Page, name: string, content: string) {
  await page.locator(".files, .load-facts").first().waitFor();
  await dropOn(page, name, content);
}

/** The same on any page; `over` is called while the file is held over it. */
export async function dropOn(page: Page, name: string, content: string, over?: () => Promise<void>) {
  const send = (kinds: string[]) =>
    page.evaluate(
      ([name, content, kinds]) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([content], name, { lastModified: 1 }));
        for (const kind of kinds) {
          document.body.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
        }
      },
      [name, content, kinds] as const,
    );
  await send(["dragenter", "dragover"]);
  await over?.();
  await send(["drop"]);
}
