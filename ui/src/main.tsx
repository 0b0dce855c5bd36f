import "./styles/base.css";
import "./styles/frame.css";
import "./styles/parts.css";
import "./styles/lists.css";
import "./styles/layers.css";
import "./styles/pages.css";
import "./styles/grid.css";
import "./styles/node.css";
import "./styles/racks.css";
import { render } from "preact";
import { App } from "./app.tsx";
import { arrive } from "./session.ts";
import "./theme.ts";

const root = document.getElementById("app");
if (root) render(<App />, root);
void arrive();
