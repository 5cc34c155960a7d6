import "@fontsource-variable/figtree/wght.css";
import "./theme/tokens.css";
import "./app/app.css";
import "./rooms/rooms.css";
import "./conversation/conversation.css";
import "./markdown/markdown.css";
import "./composer/composer.css";
import "./inspector/inspector.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { startTheme } from "./theme/theme";

startTheme();
const root = document.getElementById("root");
if (root)
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
