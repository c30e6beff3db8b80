//! The table of issue codes: name, severity, rule and remedy. `{}` stands for the issue's detail.
//! Adding a code is adding a row; a row can't be left without its words.

use serde::{Serialize, Serializer};

use super::issue::Severity;
use crate::domain::language::Language;

macro_rules! issue_codes {
    ($($variant:ident $name:literal $severity:ident [$sv:literal, $sv_remedy:literal] [$en:literal, $en_remedy:literal])*) => {
        /// What kind of finding; the names are stable and part of the API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum IssueCode {
            $(#[doc = $en] $variant,)*
        }

        impl IssueCode {
            #[cfg(test)]
            /// Every code, for the catalogue page.
            pub const ALL: &'static [IssueCode] = &[$(IssueCode::$variant,)*];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(IssueCode::$variant => $name,)*
                }
            }

            /// Fixed for each code.
            pub fn severity(self) -> Severity {
                match self {
                    $(IssueCode::$variant => Severity::$severity,)*
                }
            }

            /// Rule and remedy, `{}` not yet replaced.
            pub(super) fn words(self, language: Language) -> (&'static str, &'static str) {
                match (self, language) {
                    $((IssueCode::$variant, Language::Sv) => ($sv, $sv_remedy),
                      (IssueCode::$variant, Language::En) => ($en, $en_remedy),)*
                }
            }
        }
    };
}

impl Serialize for IssueCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

issue_codes! {
    ResourceType "resourceType" Fatal
        ["Här ska finnas en FHIR-resurs av typen {}.", "Skicka en {} med rätt resourceType."]
        ["This must be a FHIR resource of type {}.", "Send a {} with the right resourceType."]
    Structure "structure" Fatal
        ["Här ska finnas ett värde av typen {}.", "Rätta strukturen enligt FHIR R4."]
        ["This must be a value of type {}.", "Correct the structure by FHIR R4."]
    MissingElement "missingElement" Fatal
        ["Elementet {} saknas.", "Lägg till {}."]
        ["The element {} is missing.", "Add {}."]
    UnknownElement "unknownElement" Fatal
        ["Här finns ett element som FHIR R4 inte känner till: {}.", "Ta bort elementet eller rätta dess namn."]
        ["There is an element that FHIR R4 does not know: {}.", "Remove the element or correct its name."]
    NotUnderstood "notUnderstood" Fatal
        ["Elementet {} ändrar innebörden på ett sätt som tjänsten inte förstår.", "Skicka utan {}."]
        ["The element {} changes the meaning in a way that this service does not understand.", "Send it without {}."]
    TooLarge "tooLarge" Fatal
        ["Innehållet är för stort (gräns: {}).", "Dela upp eller korta innehållet."]
        ["The content is too large (limit: {}).", "Split or shorten the content."]
    InvalidStatus "invalidStatus" Fatal
        ["Status ska vara något av {}.", "Ange en status som finns i FHIR R4."]
        ["The status must be one of {}.", "Give a status that FHIR R4 has."]

    DuplicateLinkId "duplicateLinkId" Error
        ["Ett linkId får bara finnas en gång i formuläret.", "Ge frågan ett eget linkId."]
        ["A linkId may occur only once in the form.", "Give the question a linkId of its own."]
    UnknownItemType "unknownItemType" Error
        ["Frågans typ ska vara en av dem som FHIR R4 har.", "Ange en sådan typ."]
        ["The item's type must be one that FHIR R4 has.", "Give such a type."]
    ItemNesting "itemNesting" Error
        ["En grupp ska innehålla frågor, och en visningstext får inte innehålla något.", "Flytta frågorna."]
        ["A group must hold items, and a display text may not hold any.", "Move the items."]
    MisplacedElement "misplacedElement" Error
        ["Elementet {} hör inte till en fråga av den typen.", "Ta bort {}."]
        ["The element {} does not belong to an item of that type.", "Remove {}."]
    OptionsAndValueSet "optionsAndValueSet" Error
        ["En fråga har antingen answerOption eller answerValueSet.", "Ta bort det ena."]
        ["A question has either answerOption or answerValueSet.", "Remove one of them."]
    DuplicateOption "duplicateOption" Error
        ["Samma svarsalternativ får bara finnas en gång.", "Ta bort det ena."]
        ["The same answer option may occur only once.", "Remove one of them."]
    MissingValueSet "missingValueSet" Error
        ["Urvalet som frågan pekar på ska finnas i formulärets contained.", "Lägg till urvalet eller rätta hänvisningen."]
        ["The value set that the question points at must be in the form's contained.", "Add it or correct the reference."]
    EnableQuestion "enableQuestion" Error
        ["Ett villkor ska peka på en annan fråga i formuläret.", "Rätta enableWhen.question."]
        ["A condition must point at another question of the form.", "Correct enableWhen.question."]
    EnableOperator "enableOperator" Error
        ["Villkorets operator passar inte frågans typ.", "Välj en annan operator: exists passar alltid."]
        ["The condition's operator does not fit the question's type.", "Choose another: exists always fits."]
    EnableAnswer "enableAnswer" Error
        ["Villkorets svar ska vara ett svar som frågan kan få.", "Ange ett svar av typen {}."]
        ["The condition's answer must be one that the question can get.", "Give an answer of type {}."]
    EnableBehavior "enableBehavior" Error
        ["En fråga med flera villkor ska säga om alla eller något ska gälla.", "Ange enableBehavior all eller any."]
        ["A question with several conditions must say whether all or any must hold.", "Give enableBehavior all or any."]
    InvalidRegex "invalidRegex" Error
        ["Mönstret går inte att använda: {}.", "Skriv mönstret utan bakåtreferenser och framåtblickar, och kortare."]
        ["The pattern can't be used: {}.", "Write it without back-references and look-around, and shorter."]
    InvalidExtension "invalidExtension" Error
        ["Tillägget {} har inte ett värde som passar frågan.", "Rätta värdet eller ta bort tillägget."]
        ["The extension {} does not have a value that fits the question.", "Correct the value or remove the extension."]
    InvalidInitial "invalidInitial" Error
        ["Ett förifyllt svar ska vara ett svar som frågan kan få.", "Rätta initial."]
        ["An initial answer must be one that the question can get.", "Correct initial."]
    UnsupportedExpression "unsupportedExpression" Error
        ["Tjänsten räknar inte ut uttrycket {}, så svaren skulle inte kunna kontrolleras.", "Använd enableWhen i stället."]
        ["This service does not evaluate {}, so the answers could not be checked.", "Use enableWhen instead."]

    QuestionnaireMismatch "questionnaireMismatch" Error
        ["Svaret ska gälla formuläret {}.", "Hämta formuläret på nytt och skicka svar på det."]
        ["The response must be to the form {}.", "Fetch the form again and send a response to it."]
    QuestionnaireInactive "questionnaireInactive" Warning
        ["Formuläret gällde inte när det fylldes i.", "Hämta det formulär som gäller."]
        ["The form was not in force when it was filled in.", "Fetch the form that is in force."]
    QuestionnaireDraft "questionnaireDraft" Warning
        ["Formuläret är ett utkast.", "Använd det bara för prov."]
        ["The form is a draft.", "Use it for trials only."]
    QuestionnaireRetired "questionnaireRetired" Warning
        ["Formuläret används inte längre.", "Hämta det formulär som gäller."]
        ["The form has been retired.", "Fetch the form that is in force."]
    NotCompleted "notCompleted" Error
        ["Bara ett färdigt formulär kan skickas in.", "Sätt status till completed när allt är ifyllt."]
        ["Only a completed form can be submitted.", "Set status to completed when everything is filled in."]
    InvalidLinkId "invalidLinkId" Fatal
        ["Formuläret har ingen fråga med det linkId på den platsen.", "Använd formulärets linkId och ordning."]
        ["The form has no item with that linkId in that place.", "Use the form's linkIds and structure."]
    DisplayAnswer "displayAnswer" Fatal
        ["En visningstext kan inte ha något svar.", "Ta bort svaret."]
        ["A display text can't have an answer.", "Remove the answer."]
    GroupShouldNotHaveAnswers "groupShouldNotHaveAnswers" Fatal
        ["En grupp har frågor (item), inga svar (answer).", "Lägg svaren under gruppens frågor."]
        ["A group has items, no answers.", "Put the answers under the group's items."]
    QuestionShouldNotHaveItems "questionShouldNotHaveItems" Fatal
        ["Följdfrågor ska ligga under frågans svar (answer.item).", "Flytta dem dit."]
        ["Items below a question must be under its answer (answer.item).", "Move them there."]
    InvalidAnswerType "invalidAnswerType" Fatal
        ["Svaret ska vara av typen {}.", "Skicka det som {} i den form som FHIR R4 säger."]
        ["The answer must be of type {}.", "Send it as {} in the form that FHIR R4 says."]
    MissingValue "missingValue" Fatal
        ["Ett svar ska ha ett värde.", "Lägg till värdet, eller ta bort svaret."]
        ["An answer must have a value.", "Add the value, or remove the answer."]
    MultipleValues "multipleValues" Fatal
        ["Ett svar har bara ett värde.", "Skicka flera svar i stället, där frågan får ha det."]
        ["An answer has only one value.", "Send several answers instead, where the question may have them."]
    EmptyAnswer "emptyAnswer" Error
        ["Ett svar får inte vara tomt.", "Fyll i svaret, eller ta bort det."]
        ["An answer may not be blank.", "Fill it in, or remove it."]
    Required "required" Error
        ["Frågan måste besvaras.", "Fyll i ett svar."]
        ["The question must be answered.", "Fill in an answer."]
    Repeats "repeats" Error
        ["Bara ett svar är tillåtet.", "Ta bort de övriga."]
        ["Only one answer is allowed.", "Remove the others."]
    DuplicateItem "duplicateItem" Error
        ["En fråga finns bara en gång på samma plats i svaret.", "Samla dess svar i ett item."]
        ["A question occurs only once in the same place of the response.", "Gather its answers in one item."]
    MinCount "minCount" Error
        ["Minst {} svar behövs.", "Lägg till svar."]
        ["At least {} answers are needed.", "Add answers."]
    MaxCount "maxCount" Error
        ["Högst {} svar är tillåtna.", "Ta bort svar."]
        ["At most {} answers are allowed.", "Remove answers."]
    ItemOrder "itemOrder" Error
        ["Frågorna ska komma i formulärets ordning.", "Flytta frågan till sin plats."]
        ["The items must come in the form's order.", "Move the item to its place."]
    DisabledAnswer "disabledAnswer" Error
        ["Frågan ska inte besvaras, så som andra frågor har besvarats.", "Ta bort svaret."]
        ["The question is not to be answered, given the answers to others.", "Remove the answer."]
    InvalidAnswerOption "invalidAnswerOption" Error
        ["Svaret ska vara ett av frågans alternativ.", "Välj ett av dem."]
        ["The answer must be one of the question's options.", "Choose one of them."]
    ExclusiveAnswerOption "exclusiveAnswerOption" Error
        ["Ett av svaren kan bara väljas ensamt.", "Ta bort det, eller de andra."]
        ["One of the answers can only be chosen alone.", "Remove it, or the others."]
    InvalidCoding "invalidCoding" Error
        ["Koden, med sin text, ska finnas i frågans urval.", "Välj ur urvalet, med dess text."]
        ["The code, with its display, must be in the question's value set.", "Choose from it, with its display."]
    TsError "tsError" Error
        ["Urvalet är okänt här, så svaret kan inte kontrolleras.", "Formulärets ägare behöver lägga in urvalet i formuläret."]
        ["The value set is not known here, so the answer can't be checked.", "The form's owner must put it into the form."]
    MinValue "minValue" Error
        ["Svaret får inte vara mindre än {}.", "Ange ett större värde."]
        ["The answer may not be less than {}.", "Give a greater value."]
    MaxValue "maxValue" Error
        ["Svaret får inte vara större än {}.", "Ange ett mindre värde."]
        ["The answer may not be greater than {}.", "Give a smaller value."]
    MinValueIncompatUnits "minValueIncompatUnits" Error
        ["Svarets enhet går inte att jämföra med minsta värdet {}.", "Svara i den enheten."]
        ["The answer's unit can't be compared with the least value {}.", "Answer in that unit."]
    MaxValueIncompatUnits "maxValueIncompatUnits" Error
        ["Svarets enhet går inte att jämföra med största värdet {}.", "Svara i den enheten."]
        ["The answer's unit can't be compared with the greatest value {}.", "Answer in that unit."]
    MaxDecimalPlaces "maxDecimalPlaces" Error
        ["Svaret får ha högst {} decimaler.", "Avrunda svaret."]
        ["The answer may have at most {} decimal places.", "Round the answer."]
    MinLength "minLength" Error
        ["Svaret ska ha minst {} tecken.", "Skriv ett längre svar."]
        ["The answer must have at least {} characters.", "Write a longer answer."]
    MaxLength "maxLength" Error
        ["Svaret får ha högst {} tecken.", "Korta svaret."]
        ["The answer may have at most {} characters.", "Shorten the answer."]
    InvalidNewLine "invalidNewLine" Error
        ["Svaret ska vara på en rad.", "Ta bort radbrytningarna."]
        ["The answer must be on one line.", "Remove the line breaks."]
    Regex "regex" Error
        ["Svaret har inte den form som frågan begär.", "Skriv det så som frågan säger."]
        ["The answer does not have the form that the question asks for.", "Write it as the question says."]
    InvalidUrlValue "invalidUrlValue" Error
        ["Svaret ska vara en webbadress utan blanksteg.", "Rätta adressen."]
        ["The answer must be a URL without blanks.", "Correct the URL."]
    InvalidRefValue "invalidRefValue" Error
        ["Hänvisningen ska vara en adress: typ/id, webbadress eller urn.", "Rätta hänvisningen."]
        ["The reference must be an address: type/id, URL or URN.", "Correct the reference."]
    InvalidRefResourceType "invalidRefResourceType" Error
        ["Hänvisningen ska gå till en resurstyp som FHIR R4 har.", "Rätta typen i hänvisningen."]
        ["The reference must be to a resource type that FHIR R4 has.", "Correct the type in the reference."]
    InvalidRefResourceTypeRestriction "invalidRefResourceTypeRestriction" Error
        ["Hänvisningen ska gå till någon av typerna {}.", "Hänvisa till en sådan resurs."]
        ["The reference must be to one of the types {}.", "Refer to such a resource."]
    InvalidAttachmentType "invalidAttachmentType" Error
        ["Filen ska vara av någon av typerna {}.", "Bifoga en sådan fil."]
        ["The file must be of one of the types {}.", "Attach such a file."]
    MaxAttachmentSize "maxAttachmentSize" Error
        ["Filen får vara högst {} byte.", "Bifoga en mindre fil."]
        ["The file may have at most {} bytes.", "Attach a smaller file."]
    AttachmentSizeInconsistent "attachmentSizeInconsistent" Error
        ["Filens angivna storlek stämmer inte med innehållet.", "Rätta size, eller skicka filen på nytt."]
        ["The file's stated size is not that of its content.", "Correct size, or send the file again."]
    InvalidUnit "invalidUnit" Error
        ["Enheten ska vara någon av {}.", "Svara i en sådan enhet, med system och kod."]
        ["The unit must be one of {}.", "Answer in such a unit, with system and code."]
    InvalidUnitValueSet "invalidUnitValueSet" Error
        ["Enheten ska finnas i frågans urval av enheter.", "Svara i en enhet ur urvalet, med system och kod."]
        ["The unit must be in the question's value set of units.", "Answer in a unit from it, with system and code."]
}
