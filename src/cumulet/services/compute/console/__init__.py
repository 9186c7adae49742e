"""The console proxy: noVNC's pages for browsers, and a relay from a browser to a guest's screen."""

from cumulet.introduction import Introduction

INTRODUCTION = Introduction("console", 6080, prefix="/console", probe="/vnc_lite.html")
