import { refusalIn, roleIn } from "../api/refusal";
import { useMessages } from "../locale";
import { words } from "../words";

/** Why the server has not done something: in the page's words where they say more, else in its own, which are English. */
export function ErrorText({ error }: { error: Error }) {
  const say = useMessages(words);
  const { code, message } = refusalIn(error);
  const role = roleIn(message);
  if (code === "FORBIDDEN" && role) {
    return say.forbidden(role);
  }
  return code === "RATE_LIMITED" ? say.tooOften : <span lang="en">{message}</span>;
}
